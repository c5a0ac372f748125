// The passwords and keys of one stack, made once and kept in one file that only its owner may read (.env, never in git).
// Nothing here prints a value.
import { randomBytes } from "node:crypto";
import { readFile, rename, writeFile } from "node:fs/promises";
import { parseEnv } from "node:util";
import {
	calculateJwkThumbprint,
	exportJWK,
	generateKeyPair,
	type JWK,
} from "jose";
import { exists } from "./state.ts";

/** In the current directory. */
export const ENV_FILE = ".env";

const NAMES = {
	postgresPassword: "POSTGRES_PASSWORD",
	authenticatorPassword: "AUTHENTICATOR_PASSWORD",
	originJwks: "ORIGIN_JWKS",
	originSigningKey: "ORIGIN_SIGNING_KEY",
	tokenJwks: "TOKEN_JWKS",
	tokenSigningKey: "TOKEN_SIGNING_KEY",
} as const;

const COMMENTS: Record<keyof Credentials, string> = {
	postgresPassword: "the database's superuser",
	authenticatorPassword: "the role that PostgREST logs in as",
	originJwks: "public: PostgREST accepts only what this key verifies",
	originSigningKey: "the Worker signs its tokens for PostgREST with this",
	tokenJwks:
		"public: the Worker accepts callers' tokens that this key verifies",
	tokenSigningKey:
		"the Worker signs its users' tokens with this, and `npm run token` does",
};

/** The origin key before the current one, for the Worker to read from KV with until `--retire`. */
const PREVIOUS = "PREVIOUS_ORIGIN_SIGNING_KEY";

/** Passwords as hexadecimal text, keys as JSON (RFC 7517): private ones as a JWK, public ones as a JWKS. */
export type Credentials = Readonly<Record<keyof typeof NAMES, string>>;

/** New passwords and ES256 keys. */
export async function makeCredentials(): Promise<Credentials> {
	const origin = await makeKey();
	const token = await makeKey();
	return {
		postgresPassword: randomBytes(24).toString("hex"),
		authenticatorPassword: randomBytes(24).toString("hex"),
		originJwks: origin.jwks,
		originSigningKey: origin.signingKey,
		tokenJwks: token.jwks,
		tokenSigningKey: token.signingKey,
	};
}

/**
 * The credentials of a file.
 * @param path the file, in dotenv format
 * @throws {Error} saying that there is no file, or naming every variable that it lacks
 */
export async function readCredentials(path = ENV_FILE): Promise<Credentials> {
	if (!(await exists(path))) {
		throw new Error(
			`${process.cwd()} has no ${path}: \`postern env\` makes it.`,
		);
	}
	const variables = parseEnv(await readFile(path, "utf8"));
	const missing = Object.values(NAMES).filter((name) => !variables[name]);
	if (missing.length > 0) {
		throw new Error(
			`${path} lacks ${missing.join(", ")}. Put back what was there, or delete the file to have a new one made.`,
		);
	}
	return fromEntries((key) => variables[NAMES[key]] ?? "");
}

/** The credentials of a file, which is made if there is none. */
export async function readOrMakeCredentials(
	path = ENV_FILE,
): Promise<Credentials> {
	if (await exists(path)) return readCredentials(path);
	return writeCredentials(path, await makeCredentials());
}

async function writeCredentials(
	path: string,
	credentials: Credentials,
): Promise<Credentials> {
	const lines = Object.entries(NAMES).map(([key, name]) => {
		const field = key as keyof Credentials;
		return `# ${COMMENTS[field]}\n${name}='${credentials[field]}'\n`;
	});
	// wx: a file that another process made in the meantime is not overwritten.
	await writeFile(path, lines.join(""), { mode: 0o600, flag: "wx" });
	return credentials;
}

/** The keys that can be replaced while the old one is still accepted. */
export const KEYS = {
	token: { signingKey: "tokenSigningKey", jwks: "tokenJwks" },
	origin: { signingKey: "originSigningKey", jwks: "originJwks" },
} as const;

export type KeyName = keyof typeof KEYS;

/**
 * Makes a new signing key in the file, and accepts the old ones as well.
 * Everything else in the file stays as it is.
 */
export async function rotateKey(path: string, which: KeyName): Promise<void> {
	const { signingKey, jwks } = KEYS[which];
	const before = await readCredentials(path);
	const made = await makeKey();
	const accepted = [...keysOf(made.jwks), ...keysOf(before[jwks])];
	await replaceIn(path, {
		[NAMES[signingKey]]: made.signingKey,
		[NAMES[jwks]]: JSON.stringify({ keys: accepted }),
		...(which === "origin" && { [PREVIOUS]: before[signingKey] }),
	});
}

/** Accepts only the current signing key from now on. */
export async function retireKeys(path: string, which: KeyName): Promise<void> {
	const { signingKey, jwks } = KEYS[which];
	const before = await readCredentials(path);
	const { kid } = JSON.parse(before[signingKey]);
	const keys = keysOf(before[jwks]).filter((key) => key.kid === kid);
	await replaceIn(path, {
		[NAMES[jwks]]: JSON.stringify({ keys }),
		...(which === "origin" && { [PREVIOUS]: undefined }),
	});
}

function keysOf(jwks: string): JWK[] {
	return JSON.parse(jwks).keys;
}

/** @param changes new values by the variables' names; `undefined` removes a variable */
async function replaceIn(
	path: string,
	changes: Record<string, string | undefined>,
): Promise<void> {
	let text = await readFile(path, "utf8");
	for (const [name, value] of Object.entries(changes)) {
		const old = new RegExp(`^${name}=.*\\n?`, "m");
		const line = value === undefined ? "" : `${name}='${value}'\n`;
		text = old.test(text) ? text.replace(old, () => line) : text + line;
	}
	// Renamed into place: an interrupted write leaves the old file.
	await writeFile(`${path}.new`, text, { mode: 0o600 });
	await rename(`${path}.new`, path);
}

function fromEntries(read: (key: keyof Credentials) => string): Credentials {
	const keys = Object.keys(NAMES) as (keyof Credentials)[];
	return Object.fromEntries(keys.map((key) => [key, read(key)])) as Credentials;
}

async function makeKey(): Promise<{ signingKey: string; jwks: string }> {
	const { privateKey, publicKey } = await generateKeyPair("ES256", {
		extractable: true,
	});
	const kid = await calculateJwkThumbprint(publicKey);
	const parameters: Partial<JWK> = { kid, alg: "ES256", use: "sig" };
	return {
		signingKey: JSON.stringify({
			...(await exportJWK(privateKey)),
			...parameters,
		}),
		jwks: JSON.stringify({
			keys: [{ ...(await exportJWK(publicKey)), ...parameters }],
		}),
	};
}
