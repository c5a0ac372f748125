// Sends one request to the PostgREST that clients had before and to the gateway, and reduces both answers to the parts that
// promise 1 (transparency) says are equal.
import { isUtf8 } from "node:buffer";
import { callerToken, originToken, stack } from "../client.ts";
import { type RawAnswer, type RawRequest, sendRaw } from "../raw-http.ts";
import type { Question } from "./requests.ts";

const MOUNT = "/rest/v1";

/** Response headers that may differ between PostgREST and the gateway, each with the reason. All others have to be equal. */
const MAY_DIFFER: Readonly<Record<string, string>> = {
	date: "is the second in which each answer was made",
	connection: "is about one connection (RFC 9110, 7.6.1)",
	"keep-alive": "is about one connection",
	"transfer-encoding": "is about one connection: how it marks a body's end",
	"content-length": "is the other way to mark a body's end",
	server: "names the program, which the gateway does not tell",
	"access-control-allow-origin": "CORS is the gateway's own",
	"access-control-allow-credentials": "CORS is the gateway's own",
	"access-control-expose-headers": "CORS is the gateway's own",
};

/** The headers that the gateway adds to an answer. A function in the database may set headers of these names. */
export const ADDED: Readonly<Record<string, RegExp>> = {
	// PostgREST's own has no blanks.
	allow: /^OPTIONS, /,
	age: /^\d+$/,
	"cache-control": /^private, no-cache$/,
	"cache-status": /^Postern; /,
	etag: /^"[\w-]{27}\.[\da-z]+\.[\da-f]{16}"$/,
	"postern-token": /^[\w.-]+(, [\w.-]+)*$/,
	"x-content-type-options": /^nosniff$/,
};

/** PostgREST itself sends `Vary` from version 16 on. */
const ADDED_TO_VARY =
	/^(Accept|Accept-Profile|Authorization|Apikey|Prefer|Range|Range-Unit)$/i;

/** Headers in which PostgREST names its resources by path, to which the gateway adds its mount. */
const ADDRESSES = ["location", "content-location"];

/** An answer without the parts that may differ. */
export interface ComparableAnswer {
	status: number;
	statusText: string;
	/** By lower-case name. Repeated ones are joined, which means the same (RFC 9110, 5.3) but for Set-Cookie. */
	headers: Record<string, string | string[]>;
	/** Text; bytes that are none, in hexadecimal. */
	body: string;
}

/** The gateway's answer and its Cache-Status. */
export interface GatewayAnswer {
	answer: ComparableAnswer;
	/** Cache-Status (RFC 9211). */
	cacheStatus: string;
}

export async function askPostgrest(
	question: Question,
): Promise<ComparableAnswer> {
	const answer = await sendRaw(
		stack.openPostgrestUrl,
		await withToken(question, originTokenOfAda),
	);
	return comparable({ ...answer, headers: answer.headers.map(mounted) });
}

export async function askGateway(
	question: Question,
): Promise<ComparableAnswer> {
	return (await askGatewayHow(question)).answer;
}

export async function askGatewayHow(
	question: Question,
	gatewayUrl = stack.gatewayUrl,
): Promise<GatewayAnswer> {
	const request = await withToken(question, callerTokenOfAda);
	const answer = await sendRaw(gatewayUrl, {
		...request,
		path: MOUNT + request.path,
	});
	const cacheStatus = answer.headers
		.filter(([name]) => name.toLowerCase() === "cache-status")
		.map(([, value]) => value)
		.join(", ");
	return { answer: comparable(answer), cacheStatus };
}

const callerTokenOfAda = once(() => callerToken());
const originTokenOfAda = once(() =>
	// The origin token that the Worker makes for the caller.
	originToken({ iss: "postern", role: "authenticated", sub: "ada" }),
);

function once(make: () => Promise<string>): () => Promise<string> {
	let made: Promise<string> | undefined;
	return () => {
		made ??= make();
		return made;
	};
}

async function withToken(
	{ as, ...request }: Question,
	token: () => Promise<string>,
): Promise<RawRequest> {
	if (as === "anonymous") return request;
	const authorization = `Bearer ${await token()}`;
	return { ...request, headers: { ...request.headers, authorization } };
}

function mounted([name, value]: [string, string]): [string, string] {
	const isPath = value.startsWith("/") && !value.startsWith("//");
	return ADDRESSES.includes(name.toLowerCase()) && isPath
		? [name, MOUNT + value]
		: [name, value];
}

function comparable(answer: RawAnswer): ComparableAnswer {
	const { status, statusText, body } = answer;
	const headers: ComparableAnswer["headers"] = {};
	const byName = Map.groupBy(answer.headers, ([name]) => name.toLowerCase());
	for (const [name, fields] of byName) {
		if (name in MAY_DIFFER) continue;
		const values = fields
			.map(([, value]) => (name === "vary" ? otherwise(value) : value))
			.filter((value) => !isAdded(name, value));
		if (values.length === 0) continue;
		headers[name] = name === "set-cookie" ? values : values.join(", ");
	}
	const text = body.toString(isUtf8(body) ? "utf8" : "hex");
	return { status, statusText, headers, body: text };
}

function isAdded(name: string, value: string): boolean {
	return name === "vary" ? value === "" : ADDED[name]?.test(value) === true;
}

function otherwise(vary: string): string {
	const names = vary.split(/\s*,\s*/);
	return names.filter((name) => !ADDED_TO_VARY.test(name)).join(", ");
}
