// `npm run env`: makes .env, the passwords and keys of the local stack, if it is not there.
import { readCredentials } from "../stack/credentials.ts";
import { ENV_FILE } from "../stack/state.ts";

await readCredentials(ENV_FILE);
console.log(`${ENV_FILE} holds the passwords and keys. Keep it out of git.`);
