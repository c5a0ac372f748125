// `postern rotate-key`: a new signing key in .env, while the old one is still accepted; `--retire` ends that.
import { Argument, type Command } from "commander";
import {
	ENV_FILE,
	KEYS,
	type KeyName,
	retireKeys,
	rotateKey,
} from "../stack/credentials.ts";

/** What a Worker or a PostgREST elsewhere has to be given: the verifier comes before the signer. */
const VERIFIER = {
	token: "TOKEN_JWKS",
	origin: "PostgREST's jwt-secret (ORIGIN_JWKS)",
};
const SIGNER = {
	token: "TOKEN_SIGNING_KEY",
	origin: "PREVIOUS_ORIGIN_SIGNING_KEY and ORIGIN_SIGNING_KEY",
};

export function addRotateKey(postern: Command): void {
	postern
		.command("rotate-key")
		.description(
			`make a new signing key in ${ENV_FILE}, and accept the old one as well`,
		)
		.addArgument(new Argument("<key>", "the key").choices(Object.keys(KEYS)))
		.option("--retire", "accept only the newest key from now on, and make none")
		.action(rotate);
}

async function rotate(
	key: KeyName,
	{ retire }: { retire?: true },
): Promise<void> {
	if (retire) {
		await retireKeys(ENV_FILE, key);
		console.log(
			`${ENV_FILE} accepts the newest ${key} key alone. Where it is deployed, put ${VERIFIER[key]}.`,
		);
		return;
	}
	await rotateKey(ENV_FILE, key);
	console.log(`${ENV_FILE} has a new ${key} key, and accepts the old one as well. Where it is deployed, put ${VERIFIER[key]}, then ${SIGNER[key]}.
When all that the old one signed has expired (docs/security.md): postern rotate-key ${key} --retire`);
}
