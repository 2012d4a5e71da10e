# bash completion for Weir's programs; made by deploy/man/generate.

_weirctl() {
	local word=${COMP_WORDS[COMP_CWORD]} command= i
	for ((i = 1; i < COMP_CWORD; i++)); do
		case ${COMP_WORDS[i]} in
		--admin) ((i++)) ;;
		-*) ;;
		*)
			command=${COMP_WORDS[i]}
			break
			;;
		esac
	done
	if [[ ${COMP_WORDS[COMP_CWORD - 1]} == @(--admin|--token) ]]; then
		COMPREPLY=($(compgen -f -- "$word"))
		return
	fi
	local words
	case $command in
	"") words="--admin --json --help --version status ready edges edge rooms room members clients client route explain watch publish broadcast kick revoke unrevoke revocations drain undrain rebalance restart-prepare store limits memory top version help" ;;
	status) words="--help --json" ;;
	ready) words="--help --json" ;;
	edges) words="--help --json" ;;
	edge) words="--help --json" ;;
	rooms) words="--help --json --sort --limit --options" ;;
	room) words="--help --json" ;;
	members) words="--help --json" ;;
	clients) words="--help --json --user --edge --sort --limit" ;;
	client) words="--help --json" ;;
	route) words="--help --json --as --token" ;;
	explain) words="--help --json --user --client --trace" ;;
	watch) words="--help --json --user" ;;
	publish) words="--help --json" ;;
	broadcast) words="--help --json" ;;
	kick) words="--help --json --user --client --reason --revoke" ;;
	revoke) words="--help --json --user --jti --issued-before" ;;
	unrevoke) words="--help --json --user --jti" ;;
	revocations) words="--help --json" ;;
	drain) words="--help --json --rate --wait --dry-run" ;;
	undrain) words="--help --json" ;;
	rebalance) words="--help --json --rate --dry-run" ;;
	restart-prepare) words="--help --json" ;;
	store) words="--help --json" ;;
	limits) words="--help --json --user" ;;
	memory) words="--help --json" ;;
	top) words="--help --json" ;;
	version) words="--help --json" ;;
	help) words="status ready edges edge rooms room members clients client route explain watch publish broadcast kick revoke unrevoke revocations drain undrain rebalance restart-prepare store limits memory top version help" ;;
	esac
	COMPREPLY=($(compgen -W "$words" -- "$word"))
}
complete -F _weirctl weirctl

_weir_options() {
	local word=${COMP_WORDS[COMP_CWORD]} last=${COMP_WORDS[COMP_CWORD - 1]}
	case $1 in
	weir-edge)
		case $last in
		--config) COMPREPLY=($(compgen -f -- "$word")) ;;
		--tls-cert) COMPREPLY=($(compgen -f -- "$word")) ;;
		--tls-key) COMPREPLY=($(compgen -f -- "$word")) ;;
		--tls-client-ca) COMPREPLY=($(compgen -f -- "$word")) ;;
		--tls-ticket-key-file) COMPREPLY=($(compgen -f -- "$word")) ;;
		--link-key-file) COMPREPLY=($(compgen -f -- "$word")) ;;
		--link-tls-cert) COMPREPLY=($(compgen -f -- "$word")) ;;
		--link-tls-key) COMPREPLY=($(compgen -f -- "$word")) ;;
		--link-tls-ca) COMPREPLY=($(compgen -f -- "$word")) ;;
		--auth) COMPREPLY=($(compgen -W "jwt none" -- "$word")) ;;
		--jwt-key) COMPREPLY=($(compgen -f -- "$word")) ;;
		--jwks-file) COMPREPLY=($(compgen -f -- "$word")) ;;
		--jwks-ca) COMPREPLY=($(compgen -f -- "$word")) ;;
		--lobby-publish) COMPREPLY=($(compgen -W "all admin none" -- "$word")) ;;
		--compression) COMPREPLY=($(compgen -W "off shared" -- "$word")) ;;
		--log-level) COMPREPLY=($(compgen -W "error warn info debug" -- "$word")) ;;
		--log-format) COMPREPLY=($(compgen -W "text json" -- "$word")) ;;
		*) COMPREPLY=($(compgen -W "--config --check-config --print-config --probe --help --version --listen --listen-tls --tls-cert --tls-key --tls-client-ca --tls-ticket-key-file --ops-listen --router --link-key-file --link-tls-cert --link-tls-key --link-tls-ca --name --threads --user --auth --insecure --jwt-key --jwks-file --jwks-url --jwks-ca --jwks-refresh --jwt-issuer --jwt-audience --jwt-user-claim --jwt-username-claim --jwt-roles-claim --jwt-rights-claim --jwt-leeway --jwt-max-lifetime --default-rights --admin-role --lobby --lobby-publish --allowed-origins --message-types --ephemeral-types --max-message --max-connections --max-connections-per-ip --accept-rate --max-rooms-per-connection --api-rate --rate-messages --rate-admin --rate-bytes --queue-limit --queue-total --slow-timeout --heartbeat-interval --heartbeat-timeout --handshake-timeout --publish-queue --publish-timeout --compression --compression-level --compression-mem-level --compression-threshold --trusted-proxies --proxy-protocol --router-grace --drain-timeout --recorder-bytes --demo --log-level --log-connections --log-format" -- "$word")) ;;
		esac
		;;
	weir-router)
		case $last in
		--config) COMPREPLY=($(compgen -f -- "$word")) ;;
		--link-key-file) COMPREPLY=($(compgen -f -- "$word")) ;;
		--revocation-key-file) COMPREPLY=($(compgen -f -- "$word")) ;;
		--link-tls-cert) COMPREPLY=($(compgen -f -- "$word")) ;;
		--link-tls-key) COMPREPLY=($(compgen -f -- "$word")) ;;
		--link-tls-ca) COMPREPLY=($(compgen -f -- "$word")) ;;
		--store-fsync) COMPREPLY=($(compgen -W "never commit" -- "$word")) ;;
		--store-password-file) COMPREPLY=($(compgen -f -- "$word")) ;;
		--webhook-key-file) COMPREPLY=($(compgen -f -- "$word")) ;;
		--webhook-ca) COMPREPLY=($(compgen -f -- "$word")) ;;
		--log-level) COMPREPLY=($(compgen -W "error warn info debug" -- "$word")) ;;
		--log-format) COMPREPLY=($(compgen -W "text json" -- "$word")) ;;
		*) COMPREPLY=($(compgen -W "--config --check-config --print-config --probe --help --version --store-check --listen --link-key-file --edge-options --revocation-key-file --link-tls-cert --link-tls-key --link-tls-ca --admin --ops-listen --ui-listen --name --user --store --store-fsync --store-password-file --store-timeout --store-replicas --history-messages --history-bytes --history-age --history-total --dedup-total --max-rooms --max-members-per-room --max-connections-per-user --rate-user --rate-user-bytes --rate-fanout --rate-fanout-bytes --rate-answers --rate-rooms --presence-events-max --presence-linger --room-options --room-slow-policy --recorder-bytes --webhook-url --webhook-key-file --webhook-events --webhook-rooms --webhook-queue --webhook-max-age --webhook-ca --link-timeout --log-level --log-format" -- "$word")) ;;
		esac
		;;
	weir-bench)
		case $last in
		--config) COMPREPLY=($(compgen -f -- "$word")) ;;
		--protocol) COMPREPLY=($(compgen -W "weir nats" -- "$word")) ;;
		--codec) COMPREPLY=($(compgen -W "json proto" -- "$word")) ;;
		--key) COMPREPLY=($(compgen -f -- "$word")) ;;
		--token-file) COMPREPLY=($(compgen -f -- "$word")) ;;
		*) COMPREPLY=($(compgen -W "--config --check-config --print-config --probe --help --version --edge --tls --deflate --protocol --codec --key --token-file --prefix --seed --clients --rooms --members --publishers --size --window --rate --warmup --duration --drain --timeout --connect-rate --reconnect --pid --json --progress" -- "$word")) ;;
		esac
		;;
	esac
}
complete -F _weir_options weir-edge weir-router weir-bench

_weir_token() {
	local word=${COMP_WORDS[COMP_CWORD]}
	case ${COMP_WORDS[1]} in
	make) COMPREPLY=($(compgen -f -W "--key --sub --name --role --ttl --kid --claim" -- "$word")) ;;
	inspect) COMPREPLY=($(compgen -f -W "" -- "$word")) ;;
	check) COMPREPLY=($(compgen -f -W "--config" -- "$word")) ;;
	*) COMPREPLY=($(compgen -W "make inspect check" -- "$word")) ;;
	esac
}
complete -F _weir_token weir-token
