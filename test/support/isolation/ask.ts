// Sends the gateway and the database the same read as the same caller, and reduces the answers to the parts that have to be equal.
import { isUtf8 } from "node:buffer";
import { type RawAnswer, sendRaw } from "../raw-http.ts";
import { type Caller, callersToken, originsToken } from "./callers.ts";
import type { Read } from "./reads.ts";

const MOUNT = "/rest/v1";

/** PostgREST's headers about the answer itself. */
const SAID = [
	"allow",
	"content-location",
	"content-profile",
	"content-range",
	"content-type",
	"location",
	"preference-applied",
	"range-unit",
];

export interface Answer {
	readonly status: number;
	readonly headers: Readonly<Record<string, string>>;
	/** Text; bytes that are none, in hexadecimal. */
	readonly body: string;
}

export interface GatewayAnswer {
	readonly answer: Answer;
	/** Cache-Status (RFC 9211). */
	readonly cacheStatus: string;
	readonly raw: RawAnswer;
}

/** The gateway and the PostgREST that are compared. */
export interface Sides {
	readonly gatewayUrl: string;
	readonly postgrestUrl: string;
}

/** The database's own answer to this caller. */
export async function askDatabase(
	{ postgrestUrl }: Pick<Sides, "postgrestUrl">,
	read: Read,
	caller: Caller,
): Promise<Answer> {
	const raw = await sendRaw(postgrestUrl, {
		...read,
		headers: {
			...read.headers,
			...(await credential(originsToken(caller))),
		},
	});
	const answer = said(raw);
	// PostgREST never treats a caller with a token as anonymous, so the gateway has to.
	const isRefused = answer.status === 403 && caller.role === "anon";
	return isRefused ? { ...answer, status: 401 } : answer;
}

export async function askGateway(
	{ gatewayUrl }: Pick<Sides, "gatewayUrl">,
	read: Read,
	caller: Caller,
): Promise<GatewayAnswer> {
	const raw = await sendRaw(gatewayUrl, {
		...read,
		path: MOUNT + read.path,
		headers: { ...read.headers, ...(await credential(callersToken(caller))) },
	});
	return { answer: said(raw), cacheStatus: headerOf(raw, "cache-status"), raw };
}

/** The values of a header, by comma. */
export function headerOf({ headers }: RawAnswer, name: string): string {
	return headers
		.filter(([one]) => one.toLowerCase() === name)
		.map(([, value]) => value)
		.join(", ");
}

export function said(raw: RawAnswer): Answer {
	const { status, body } = raw;
	const headers: Record<string, string> = {};
	for (const name of SAID) {
		const value = headerOf(raw, name);
		if (value !== "") headers[name] = value.replace(MOUNT, "");
	}
	return {
		status,
		headers,
		body: body.toString(isUtf8(body) ? "utf8" : "hex"),
	};
}

async function credential(token: Promise<string> | undefined) {
	return token === undefined ? {} : { authorization: `Bearer ${await token}` };
}
