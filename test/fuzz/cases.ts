// One connection's worth of requests, made from the seed and the case's number alone, so that each can be sent again by itself.
import { randomOf } from "../histories/random.ts";
import { type Mutation, pickMutations } from "./mutations.ts";
import {
	type As,
	type Draft,
	draftOf,
	echoRequest,
	render,
	traceOf,
} from "./requests.ts";
import type { World } from "./world.ts";

export interface Sent {
	readonly trace: string;
	readonly bytes: Buffer;
	/** Undefined: an echo, which has to be answered with `echo`. */
	readonly draft: Draft | undefined;
	readonly as: As;
	readonly echo: string | undefined;
}

export interface Case {
	readonly index: number;
	readonly requests: readonly Sent[];
	/** Whether the end of each request is clear: then there is one answer to each, in order. */
	readonly isFramed: boolean;
	readonly mutations: readonly (readonly Mutation[])[];
}

export interface CaseOptions {
	readonly seed: number;
	readonly index: number;
	readonly world: Pick<World, "stack" | "forbiddenHost" | "token">;
	/** Takes mutations out, to see whether a violation needs them. */
	readonly without?: ReadonlySet<string>;
}

/** Of so many cases one is a pipeline of several requests. */
const PIPELINES = 0.2;

export function caseOf({ seed, index, world, without }: CaseOptions): Case {
	const random = randomOf(`${seed}/${index}`);
	const { host } = new URL(world.stack.gatewayUrl);
	const isFramed = random.chance(PIPELINES);
	const count = isFramed ? 1 + random.integer(4) : 1;
	const requests: Sent[] = [];
	const mutations: (readonly Mutation[])[] = [];
	for (let part = 0; part < count; part++) {
		const each = random.stream(`${part}`);
		const as = each.pick(["anonymous", "caller"] as const);
		const draft = draftOf(each.stream("base"), as, world.token);
		const picked = pickMutations(each.stream("mutations"), isFramed);
		picked.forEach((mutation, at) => {
			if (without?.has(`${part}.${at}`)) return;
			mutation.apply(draft, each.stream(`mutation ${at}`), world);
		});
		mutations.push(picked);
		if (isFramed) closeFrame(draft);
		const trace = traceOf(index, 2 * part);
		const bytes = render(draft, host, trace);
		requests.push({ trace, bytes, draft, as, echo: undefined });
		if (isFramed || each.chance(0.3))
			requests.push(echoOf(index, 2 * part + 1, host));
	}
	return { index, requests, isFramed, mutations };
}

function echoOf(index: number, part: number, host: string): Sent {
	const trace = traceOf(index, part);
	const echo = `echo-${trace}`;
	const bytes = echoRequest(echo, host, trace);
	return { trace, bytes, draft: undefined, as: "anonymous", echo };
}

/** The connection stays open, and no body is waited for. */
function closeFrame(draft: Draft): void {
	const isOpen = ([name, value]: [string, string]) =>
		!(
			(/^connection$/i.test(name) && /close|upgrade/i.test(value)) ||
			/^(expect|upgrade)$/i.test(name)
		);
	draft.headers = draft.headers.filter(isOpen);
}
