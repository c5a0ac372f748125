// `npm run token -- --sub X --role authenticated`: prints a bearer token of the local stack's own issuer.
import { parseArgs } from "node:util";
import { readCredentials } from "../stack/credentials.ts";
import { ENV_FILE } from "../stack/state.ts";
import { issueCallerToken } from "../stack/tokens.ts";

const { values } = parseArgs({
	options: {
		sub: { type: "string" },
		role: { type: "string", default: "authenticated" },
		"expires-in": { type: "string", default: "3600" },
	},
});
const lifetimeSeconds = Number(values["expires-in"]);
if (!Number.isInteger(lifetimeSeconds) || lifetimeSeconds <= 0) {
	throw new Error(
		`--expires-in is "${values["expires-in"]}"; it has to be a number of seconds.`,
	);
}
const { tokenSigningKey } = await readCredentials(ENV_FILE);
const claims = {
	role: values.role,
	...(values.sub === undefined ? {} : { sub: values.sub }),
};
console.log(await issueCallerToken(tokenSigningKey, claims, lifetimeSeconds));
