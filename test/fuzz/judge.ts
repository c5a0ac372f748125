// What is wrong with the answers to a case, if anything: the promises about HTTP, each as a sentence.
import { type JWTVerifyGetKey, jwtVerify } from "jose";
import { REFUSAL_CODES } from "../../gateway/src/http/refusals.ts";
import type { Case } from "./cases.ts";
import { type Answer, type Exchange, type Message, valuesOf } from "./wire.ts";
import { CALLER, CANARY, DEADLINE_MS, type Write } from "./world.ts";

/** Longest time from a request to its answer. */
export const LIMIT_MS = DEADLINE_MS + 1_000;

/** What workerd's HTTP server says where it cannot read a request. The Worker never sees such a request. */
const OF_RUNTIME = /^(ERROR: |Bad Request|invalid |unexpected |URI too long)/i;

/** @param method as it was sent; a Worker has no answer to CONNECT */
export function isOfRuntime(answer: Answer, method?: string): boolean {
	const isWorkers = valuesOf(answer, "x-content-type-options").length > 0;
	if (isWorkers || valuesOf(answer, "cache-control").length > 0) return false;
	const text = answer.body.toString("latin1");
	if (answer.status === 500) return method === "CONNECT";
	return (
		OF_RUNTIME.test(text) ||
		(text === "" && [400, 414, 501].includes(answer.status))
	);
}

/** What PostgREST's HTTP server says. The gateway passes it on only from there. */
const OF_POSTGREST = "Something went wrong";

/** Server errors of the gateway's that say what the client asked for: RFC 9111, section 5.2.1.7, and an unsupported header. */
const ASKED_FOR = ["not_cached", "idempotency_unsupported"];

export interface Findings {
	/** What is wrong. */
	readonly faults: readonly string[];
	/** Server errors that may be PostgREST's own. */
	readonly serverErrors: readonly Answer[];
}

export function judge(
	{ requests, isFramed }: Case,
	{ answers, rest, isClosed, tookMs }: Exchange,
	forbiddenHost: string,
): Findings {
	const faults: string[] = [];
	const serverErrors: Answer[] = [];
	const mayWait = requests.some(({ draft }) => draft?.mayWait);
	if (answers.length === 0 && !isClosed) faults.push("no answer: it hangs");
	if (tookMs > LIMIT_MS && !mayWait)
		faults.push(`the answer took ${Math.round(tookMs)} ms`);
	if (rest.length > 0 && !mayWait)
		faults.push(
			`bytes that are no whole answer: ${JSON.stringify(rest.subarray(0, 120).toString("latin1"))}`,
		);
	answers.forEach((answer, at) => {
		const isRuntimes = isOfRuntime(answer, requests[at]?.draft?.method);
		faults.push(...faultsOf(answer, forbiddenHost, isRuntimes));
		const isFor = isAskedFor(answer, requests[at]?.draft?.headers ?? []);
		if (answer.status >= 500 && !isRuntimes && !isFor)
			serverErrors.push(answer);
	});
	faults.push(...mixedUp(requests, answers, isFramed));
	return { faults, serverErrors };
}

function mixedUp(
	requests: Case["requests"],
	answers: readonly Answer[],
	isFramed: boolean,
): string[] {
	const faults: string[] = [];
	if (answers.length > requests.length && isFramed)
		faults.push(`${answers.length} answers to ${requests.length} requests`);
	const echoes = requests.map(({ echo }) => echo);
	answers.forEach((answer, at) => {
		const text = answer.body.toString("latin1");
		const found = /echo-[\da-f]{32}/.exec(text)?.[0];
		// A refusal may quote the query of its own request.
		if (found !== undefined && !echoes.includes(found))
			faults.push(`the answer to another request: ${found}`);
		const own = isFramed ? echoes[at] : undefined;
		const isEcho =
			answer.status === 429 ||
			isOfRuntime(answer) ||
			isUnreached(answer) ||
			text === `"${own}"`;
		if (own !== undefined && !isEcho)
			faults.push(
				`answer ${at} is not that of its request: ${answer.start} ${text.slice(0, 200)}`,
			);
		if (isFramed && own === undefined && found !== undefined)
			faults.push(`answer ${at} is that of an echo`);
	});
	return faults;
}

function faultsOf(
	answer: Answer,
	forbiddenHost: string,
	isRuntimes: boolean,
): string[] {
	const { status, headers, body, start } = answer;
	const faults: string[] = [];
	const text = body.toString("latin1");
	const all = `${start}\n${headers.map((field) => field.join(": ")).join("\n")}\n${text}`;
	const needs = (name: string) => {
		if (valuesOf(answer, name).length === 0)
			faults.push(`${status} without ${name}`);
	};
	if (all.includes(CANARY)) faults.push("a canary is in the answer");
	if (text.includes('"smuggled"') && valuesOf(answer, "x-smuggled").length > 0)
		faults.push("a request within a body was answered");
	for (const name of ["location", "content-location"])
		for (const value of valuesOf(answer, name))
			if (/^(\w+:)?[/\\]{2}/.test(value) && value.includes(forbiddenHost))
				faults.push(`${name} leads to another host: ${value}`);
	if (headers.some(([name]) => /^x-injected/.test(name)))
		faults.push("a header was injected");
	if (isRuntimes) return faults;
	needs("x-content-type-options");
	needs("access-control-allow-origin");
	for (const name of ["server", "via", "x-powered-by"])
		if (valuesOf(answer, name).length > 0) faults.push(`it has ${name}`);
	if (status === 405) needs("allow");
	if (status === 401) needs("www-authenticate");
	if (status === 429 || status === 503) needs("retry-after");
	return faults;
}

function isAskedFor(
	{ status, body }: Answer,
	headers: readonly (readonly [string, string])[],
): boolean {
	// The answer to HEAD does not tell its code.
	const isOnlyIfCached = headers.some(([, value]) =>
		/only-if-cached/.test(value),
	);
	if (body.length === 0) return status === 504 && isOnlyIfCached;
	if (body.toString() === OF_POSTGREST) return true;
	return ASKED_FOR.includes(codeIn(body) ?? "");
}

/** Whether PostgREST cannot have said it. */
export function isPosterns({ body }: Answer): boolean {
	return REFUSAL_CODES.some((code) => code === codeIn(body));
}

export function isUnreached({ status, body }: Answer): boolean {
	if (body.length === 0) return status === 503;
	return codeIn(body) === "origin_unreachable";
}

function codeIn(body: Buffer): string | undefined {
	try {
		return JSON.parse(body.toString()).code;
	} catch {
		return undefined;
	}
}

/** What of a request that arrived at PostgREST should not have. */
export async function faultsOfArrived(
	request: Message,
	originHost: string,
	originKeys: JWTVerifyGetKey,
): Promise<string[]> {
	const faults: string[] = [];
	const { start, headers } = request;
	const only = (name: string) => {
		const values = valuesOf(request, name);
		return values.length === 1 ? values[0] : undefined;
	};
	if (only("host") !== originHost)
		faults.push(`Host at the origin: ${valuesOf(request, "host")}`);
	for (const [name] of headers)
		if (
			/^(apikey|cf-.*|x-forwarded-.*|forwarded|via|x-real-ip|true-client-ip|cdn-loop|x-(original|rewrite)-url|x-http-method.*|x-method-override|x-injected)$/.test(
				name,
			)
		)
			faults.push(`${name} arrives at the origin`);
	if (
		!/^[A-Z]+ \/[^/\\\s][^\s]* HTTP\/1\.1$|^[A-Z]+ \/ HTTP\/1\.1$/.test(start)
	)
		if (!/^[\w!#$%&'*+.^`|~-]+ \/\S* HTTP\/1\.1$/.test(start))
			faults.push(`the request line at the origin: ${start.slice(0, 200)}`);
	const token = only("authorization");
	if (token === undefined) {
		faults.push("not one Authorization at the origin");
		return faults;
	}
	try {
		const jwt = token.replace("Bearer ", "");
		const { role, sub } = (
			await jwtVerify(jwt, originKeys, { clockTolerance: 3_600 })
		).payload;
		const isKnown =
			role === "anon" ||
			role === "postern" ||
			(role === "authenticated" && sub === CALLER);
		if (!isKnown) faults.push(`role ${role} of ${sub} at the origin`);
		const profiles = [
			...valuesOf(request, "accept-profile"),
			...valuesOf(request, "content-profile"),
		];
		if (role !== "postern" && profiles.includes("postern"))
			faults.push(`${role} asks the schema postern`);
	} catch {
		faults.push("Authorization at the origin is not the gateway's");
	}
	return faults;
}

/** What of the rows that were written should not have been. */
export function faultsOfWrites(
	writes: readonly Write[],
	answers: readonly Answer[],
	requests: Case["requests"],
): string[] {
	const faults: string[] = [];
	if (writes.length === 0) return faults;
	if (!answers.some(({ status }) => status < 400))
		faults.push(
			`written by a refused request: ${writes.map(({ relation }) => relation).join(", ")}, ${answers.map(({ status }) => status).join(", ") || "no answer"}`,
		);
	for (const { trace, relation, role } of writes) {
		if (
			/^(hidden|private)\.|^api\.(locked|profiles)$/.test(relation) &&
			role !== "postern"
		)
			faults.push(`${role} writes ${relation}`);
		const request = requests.find((one) => one.trace === trace);
		if (request?.as === "anonymous" && role === "authenticated")
			faults.push(`an anonymous request writes ${relation}`);
		const method = request?.draft?.method ?? "GET";
		if (
			["GET", "HEAD", "OPTIONS", "TRACE"].includes(method) &&
			request?.draft?.damages.length === 0
		)
			faults.push(`${method} writes ${relation}`);
	}
	return faults;
}
