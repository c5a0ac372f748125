// `postern env`: makes .env, the passwords and keys of the local stack, where there is none.
import type { Command } from "commander";
import { ENV_FILE, readOrMakeCredentials } from "../stack/credentials.ts";

export function addEnv(postern: Command): void {
	postern
		.command("env")
		.description(
			`make ${ENV_FILE}, the passwords and keys of the local stack, if there is none`,
		)
		.action(async () => {
			await readOrMakeCredentials();
			console.log(
				`${ENV_FILE} holds the passwords and keys. Keep it out of git.`,
			);
		});
}
