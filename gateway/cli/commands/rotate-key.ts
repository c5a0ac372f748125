// `npm run rotate-key -- token|origin`: a new signing key in .env, the old one still accepted.
// `npm run rotate-key -- token|origin --retire`: afterwards, only the new one.
import { parseArgs } from "node:util";
import { KEYS, retireKeys, rotateKey } from "../stack/credentials.ts";
import { ENV_FILE } from "../stack/state.ts";

const { values, positionals } = parseArgs({
	allowPositionals: true,
	options: { retire: { type: "boolean", default: false } },
});
const [which] = positionals;
if (which !== "token" && which !== "origin") {
	throw new Error(`Say which key: ${Object.keys(KEYS).join(" or ")}.`);
}
if (values.retire) await retireKeys(ENV_FILE, which);
else await rotateKey(ENV_FILE, which);

/** What a Worker or a PostgREST elsewhere has to be given, in this order: whoever verifies comes first. */
const VERIFIER = {
	token: "TOKEN_JWKS",
	origin: "PostgREST's jwt-secret (ORIGIN_JWKS)",
};
const SIGNER = { token: "TOKEN_SIGNING_KEY", origin: "ORIGIN_SIGNING_KEY" };

console.log(
	values.retire
		? `.env accepts the newest ${which} key alone. Where it is deployed, put ${VERIFIER[which]}.`
		: `.env has a new ${which} key, and accepts the old one as well. Where it is deployed, put ${VERIFIER[which]}, then ${SIGNER[which]}.
When all that the old one signed has expired (docs/security.md): npm run rotate-key -- ${which} --retire`,
);
