// An issuer of tokens that publishes its keys over HTTP, and can fail to.
import { once } from "node:events";
import { createServer, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import {
	calculateJwkThumbprint,
	exportJWK,
	type GenerateKeyPairResult,
	generateKeyPair,
	type JWK,
	SignJWT,
} from "jose";
import { LOOPBACK } from "../../gateway/cli/stack/ports.ts";

export interface SigningKey {
	readonly kid: string;
	readonly alg: string;
	readonly publicJwk: JWK;
	readonly privateKey: GenerateKeyPairResult["privateKey"] | Uint8Array;
}

/** Claims to add, replace or, if undefined, leave out. */
export type Claims = Record<string, unknown>;

export async function makeSigningKey(alg: string): Promise<SigningKey> {
	const { publicKey, privateKey } = await generateKeyPair(alg);
	const kid = await calculateJwkThumbprint(publicKey);
	const publicJwk = { ...(await exportJWK(publicKey)), kid, alg, use: "sig" };
	return { kid, alg, publicJwk, privateKey };
}

/** A token with these claims, valid for five minutes unless they say otherwise. */
export function signWith(
	{ alg, kid, privateKey }: SigningKey,
	claims: Claims,
): Promise<string> {
	const seconds = Math.floor(Date.now() / 1000);
	return new SignJWT({ iat: seconds, exp: seconds + 300, ...claims })
		.setProtectedHeader({ alg, kid })
		.sign(privateKey);
}

/** How the issuer answers requests for its keys. */
const MOODS = {
	well: (answering: ServerResponse, keys: JWK[]) => {
		answering.setHeader("content-type", "application/json");
		answering.end(JSON.stringify({ keys }));
	},
	failing: (answering: ServerResponse) => {
		answering.writeHead(500).end("Something went wrong");
	},
	babbling: (answering: ServerResponse) => {
		answering.end("<h1>It works!</h1>");
	},
	redirecting: (answering: ServerResponse) => {
		answering.writeHead(302, { location: "/elsewhere" }).end();
	},
	hanging: () => {},
} as const;

export type Mood = keyof typeof MOODS;

export interface TestIssuer {
	readonly url: string;
	/** The keys that it publishes at every path except /elsewhere. */
	keys: SigningKey[];
	mood: Mood;
	/** The requested paths. */
	readonly asked: string[];
	stop(): Promise<void>;
}

export async function startIssuer(...keys: SigningKey[]): Promise<TestIssuer> {
	const server = createServer(({ url = "" }, answering) => {
		issuer.asked.push(url);
		const mood = url === "/elsewhere" ? "well" : issuer.mood;
		MOODS[mood](
			answering,
			issuer.keys.map(({ publicJwk }) => publicJwk),
		);
	});
	server.listen(0, LOOPBACK);
	await once(server, "listening");
	const { port } = server.address() as AddressInfo;
	const issuer: TestIssuer = {
		url: `http://${LOOPBACK}:${port}`,
		keys,
		mood: "well",
		asked: [],
		async stop() {
			server.close();
			server.closeAllConnections();
			await once(server, "close");
		},
	};
	return issuer;
}
