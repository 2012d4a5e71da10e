// Judges an OpenAPI document with programs of others: the document as a whole against the schema of
// the OpenAPI Initiative, what its references name, and each of its own schemas, where a word that
// JSON Schema 2020-12 does not know is a fault.
//
//   node openapi.mjs MODULES [FILE]     FILE, or standard input; a line a fault; exits with 1 if
//                                       there is one
import fs from 'node:fs';
import path from 'node:path';
import { createRequire } from 'node:module';

const [modules, file = 0] = process.argv.slice(2);
const require = createRequire(path.join(path.resolve(modules), 'x.js'));
const { Validator } = await import(require.resolve('@seriousme/openapi-schema-validator'));
const Ajv = require('ajv/dist/2020').default;

const document = JSON.parse(fs.readFileSync(file, 'utf8'));
const faults = [];

const validator = new Validator();
const result = await validator.validate(structuredClone(document));
if (!result.valid) {
	faults.push(...[result.errors].flat().map((e) => (typeof e === 'string' ? e
		: `${e.instancePath} ${e.message} ${JSON.stringify(e.params)}`)));
} else if (validator.version !== '3.1') {
	faults.push(`it is of version ${validator.version}`);
} else {
	try {
		validator.resolveRefs();
	} catch (error) {
		faults.push(error.message);
	}
}

const ajv = new Ajv({ allErrors: true, validateFormats: false });
ajv.addVocabulary(Object.keys(document).filter((name) => name !== '$id'));
ajv.addSchema(document, 'document');
for (const name of Object.keys(document.components?.schemas ?? {})) {
	try {
		ajv.compile({ $ref: `document#/components/schemas/${name}` });
	} catch (error) {
		faults.push(`components/schemas/${name}: ${error.message}`);
	}
}

faults.forEach((fault) => console.log(fault));
process.exitCode = faults.length > 0 ? 1 : 0;
