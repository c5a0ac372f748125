// `npm run env`: makes .env, the passwords and keys of the local stack, if it is not there.
import { readCredentials } from "./credentials.ts";
import { ENV_FILE } from "./state.ts";

await readCredentials(ENV_FILE);
console.log(`${ENV_FILE} holds the passwords and keys. Keep it out of git.`);
