// `postern token`: prints a bearer token of the local stack's own issuer.
import type { Command } from "commander";
import { wholeNumber } from "../options.ts";
import { readCredentials } from "../stack/credentials.ts";
import { issueCallerToken } from "../stack/tokens.ts";

interface TokenOptions {
	sub?: string;
	role: string;
	expiresIn: number;
}

export function addToken(postern: Command): void {
	postern
		.command("token")
		.description("print a bearer token that the local Worker accepts")
		.option("--sub <id>", "the user that it stands for")
		.option("--role <role>", "the role in the database", "authenticated")
		.option(
			"--expires-in <seconds>",
			"how long it is valid",
			wholeNumber,
			3_600,
		)
		.action(printToken);
}

async function printToken({
	sub,
	role,
	expiresIn,
}: TokenOptions): Promise<void> {
	const { tokenSigningKey } = await readCredentials();
	const claims = { role, ...(sub === undefined ? {} : { sub }) };
	console.log(await issueCallerToken(tokenSigningKey, claims, expiresIn));
}
