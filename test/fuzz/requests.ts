// Requests that a client could send, before anything is made odd in them.
import { pickWeighted, type Random } from "../histories/random.ts";

/** A request in parts that can be changed one by one. Texts are bytes, as Latin-1. */
export interface Draft {
	method: string;
	target: string;
	version: string;
	headers: [name: string, value: string][];
	body: string;
	/** How the end of the body is told. `as-is`: the headers say, and the body is sent as it is. */
	framing: "length" | "chunked" | "as-is";
	/** The end of a line of the head. */
	lineEnd: string;
	/** Whether a server may rightly wait for more bytes. */
	mayWait: boolean;
	/** Bytes of the rendered request that are changed: where, as a part of the whole, and to what. */
	damages: [at: number, byte: number][];
	/** The part of the rendered request that is sent. */
	sentPart: number;
}

export type As = "anonymous" | "caller";

interface Base {
	readonly weight: number;
	readonly make: (random: Random) => Partial<Draft>;
}

const JSON_TYPE: [string, string] = ["Content-Type", "application/json"];

function json(value: unknown, ...headers: [string, string][]): Partial<Draft> {
	return { body: JSON.stringify(value), headers: [JSON_TYPE, ...headers] };
}

const READS = [
	"/rest/v1/products?select=title,weight_lbs&order=title",
	"/rest/v1/products?id=eq.1",
	"/rest/v1/products?select=id&limit=2&offset=1",
	"/rest/v1/rescues?select=id,name&species=eq.dog&order=id.desc",
	"/rest/v1/users?select=id,fullname&limit=3",
	"/rest/v1/todos?select=*",
	"/rest/v1/follows?select=follower,followed&limit=2",
	"/rest/v1/rescue_counts",
	"/rest/v1/rpc/echo?text=hello",
	"/rest/v1/locked?select=*",
	"/rest/v1/nowhere",
	"/rest/v1/",
];
const OWN = [
	"/health",
	"/ready",
	"/metrics",
	"/openapi.json",
	"/docs",
	"/docs/index.html",
	"/.well-known/jwks.json",
	"/",
	"/nowhere",
	"/products/1",
	"/products?limit=2",
	"/rescues",
	"/rescues/3",
	"/users/todos",
	"/auth/v1/settings",
	"/auth/v1/health",
	"/auth/v1/user",
	"/auth/v1/.well-known/jwks.json",
];

const rescue = (random: Random) => ({
	name: `Rex ${random.integer(1_000)}`,
	age: random.integer(200),
	species: random.pick(["dog", "cat", ""]),
});
const idOf = (random: Random) => 1 + random.integer(12);

const BASES: readonly Base[] = [
	{ weight: 30, make: (random) => ({ target: random.pick(READS) }) },
	{ weight: 16, make: (random) => ({ target: random.pick(OWN) }) },
	{
		weight: 8,
		make: (random) => ({
			method: "POST",
			target: random.pick(["/rest/v1/rescues", "/rescues"]),
			...json(rescue(random), [
				"Prefer",
				random.pick(["return=representation", "return=minimal", "tx=rollback"]),
			]),
		}),
	},
	{
		weight: 4,
		make: (random) => ({
			method: "POST",
			target: "/rest/v1/todos",
			...json({ name: `todo ${random.integer(100)}` }),
		}),
	},
	{
		weight: 6,
		make: (random) => ({
			method: "PATCH",
			target: `/rest/v1/rescues?id=eq.${idOf(random)}`,
			...json({ age: random.integer(200) }),
		}),
	},
	{
		weight: 4,
		make: (random) => {
			const id = idOf(random);
			return {
				method: "PUT",
				target: `/rest/v1/rescues?id=eq.${id}`,
				...json({ id, ...rescue(random) }),
			};
		},
	},
	{
		weight: 4,
		make: (random) => ({
			method: "DELETE",
			target: random.pick([
				`/rest/v1/rescues?id=eq.${idOf(random)}`,
				`/rescues/${idOf(random)}`,
				`/rest/v1/todos?id=eq.${idOf(random)}`,
			]),
		}),
	},
	{
		weight: 4,
		make: (random) => ({
			method: "POST",
			target: "/rest/v1/rpc/echo",
			...json({ text: `${random.integer(100)}` }),
		}),
	},
	{
		weight: 4,
		make: (random) => ({
			method: "POST",
			target: random.pick([
				"/rest/v1/rpc/add_quantity",
				`/products/${idOf(random)}/add-quantity`,
			]),
			...json({ product_id: idOf(random), quantity: random.integer(3) - 1 }),
		}),
	},
	{
		weight: 3,
		make: (random) => ({
			method: "POST",
			target: random.pick([
				"/auth/v1/signup",
				"/auth/v1/token?grant_type=password",
				"/auth/v1/token?grant_type=refresh_token",
				"/auth/v1/logout",
				"/auth/v1/otp",
				"/users/create",
				"/users/token",
			]),
			...json({
				email: `${random.integer(50)}@example.org`,
				password: random.pick(["correct horse", "x"]),
				refresh_token: "x",
			}),
		}),
	},
	{
		weight: 4,
		make: (random) => ({
			method: "OPTIONS",
			target: random.pick([...READS, ...OWN]),
			headers: random.chance(0.5)
				? [
						["Origin", "https://app.example"],
						["Access-Control-Request-Method", "PATCH"],
						["Access-Control-Request-Headers", "authorization, x-any"],
					]
				: [],
		}),
	},
	{
		weight: 4,
		make: (random) => ({
			method: "HEAD",
			target: random.pick([...READS, ...OWN]),
		}),
	},
];

export function draftOf(random: Random, as: As, token: string): Draft {
	const { headers = [], ...base } = pickWeighted(random, BASES).make(random);
	return {
		method: "GET",
		target: "/",
		version: "HTTP/1.1",
		body: "",
		framing: "length",
		lineEnd: "\r\n",
		mayWait: false,
		damages: [],
		sentPart: 1,
		...base,
		headers: [
			...headers,
			...(as === "caller"
				? ([["Authorization", `Bearer ${token}`]] as [string, string][])
				: []),
		],
	};
}

/** The trace by which a request is known to the origin and the database. */
export function traceOf(index: number, part: number): string {
	return `${index.toString(16).padStart(24, "0")}${part.toString(16).padStart(7, "0")}f`;
}

/** The request as it is sent. */
export function render(draft: Draft, host: string, trace: string): Buffer {
	const { lineEnd, body, framing } = draft;
	const hasHost = draft.headers.some(([name]) => /^host$/i.test(name));
	const headers: [string, string][] = [
		...(hasHost ? [] : [["Host", host] as [string, string]]),
		["Traceparent", `00-${trace}-00000000000000f1-00`],
		...draft.headers,
	];
	if (framing === "length" && (body !== "" || hasBody(draft.method)))
		headers.push(["Content-Length", String(body.length)]);
	if (framing === "chunked") headers.push(["Transfer-Encoding", "chunked"]);
	const head = [
		`${draft.method} ${draft.target}${draft.version === "" ? "" : ` ${draft.version}`}`,
		...headers.map(([name, value]) => `${name}: ${value}`),
	];
	const sent = framing === "chunked" ? chunked(body) : body;
	const bytes = Buffer.from(
		`${head.join(lineEnd)}${lineEnd}${lineEnd}${sent}`,
		"latin1",
	);
	// The trace has to stay, since the request is known by it.
	const traceAt = bytes.indexOf("Traceparent");
	for (const [at, byte] of draft.damages) {
		const index = Math.floor(at * bytes.length);
		if (index < traceAt || index > traceAt + TRACE_LINE) bytes[index] = byte;
	}
	return bytes.subarray(0, Math.ceil(draft.sentPart * bytes.length));
}

/** Bytes of the header of the trace. */
const TRACE_LINE = 72;

function hasBody(method: string): boolean {
	return ["POST", "PUT", "PATCH"].includes(method);
}

function chunked(body: string): string {
	const middle = Math.ceil(body.length / 2);
	return [body.slice(0, middle), body.slice(middle)]
		.filter((chunk) => chunk !== "")
		.map((chunk) => `${chunk.length.toString(16)}\r\n${chunk}\r\n`)
		.concat("0\r\n\r\n")
		.join("");
}

export function echoRequest(text: string, host: string, trace: string): Buffer {
	return Buffer.from(
		`GET /rest/v1/rpc/echo?text=${text} HTTP/1.1\r\nHost: ${host}\r\nTraceparent: 00-${trace}-00000000000000f1-00\r\n\r\n`,
	);
}
