// A relay stands between the isolates of one data centre and the change feed's object, so that data centres ask the object, and
// not isolates. It answers by what it has heard, if that is young enough, and asks the object otherwise. It stores nothing.
//
// All requests of a Durable Object run in one context. So here, as in polls.ts, a request may await another one's promise.
import { withinLimit, withRetry } from "../consistency/freshness.ts";
import type { Sleep } from "../consistency/sleep.ts";
import { createKnownFeed, type Needs } from "../consistency/view.ts";
import type { CatalogAnswer, Feed, FeedFailure, SyncAnswer } from "./feed.ts";

interface RelayDeps {
	/** The change feed's object. */
	feed: Feed;
	/** The relay's clock, in milliseconds. */
	now: () => number;
	sleep: Sleep;
}

/** What a call of the object brought, besides what is then known. */
interface Called {
	/** The answer where the database tracks nothing. */
	readonly absent?: SyncAnswer;
	readonly failure?: FeedFailure | undefined;
}

interface Round {
	maxAgeMs: number;
	readonly consistencyTokens: Set<string>;
	readonly called: Promise<Called>;
}

/** Less than an isolate waits for its relay. */
const CALL_LIMIT_MS = 1_800;

export function createRelay({ feed, now, sleep }: RelayDeps): Feed {
	const known = createKnownFeed(now);
	let calls = 0;
	let isAbsent = false;
	let running: Round | undefined;
	let next: Round | undefined;
	let loading: Promise<CatalogAnswer> | undefined;

	return {
		async sync({ maxAgeMs, consistencyTokens = [], known: since }) {
			const needs = { maxAgeMs, consistencyTokens };
			// The relay or the object was set back to an older state. The object judges that.
			if (known.isBehind(since))
				return ask(() => feed.sync({ ...needs, known: since }));
			const called = isKnown(needs) ? {} : await bring(needs);
			const answer = called.absent ?? known.answer(since);
			if (answer === undefined) throw new Error("The relay knows nothing yet");
			return called.failure === undefined || isKnown(needs)
				? answer
				: { ...answer, failure: called.failure };
		},
		catalog() {
			loading ??= ask(() => feed.catalog()).finally(() => {
				loading = undefined;
			});
			return loading;
		},
	};

	function isKnown(needs: Needs): boolean {
		return !isAbsent && known.suitable(needs) !== undefined;
	}

	/** Waits for a call of the object that brings what is needed. */
	async function bring(needs: Needs): Promise<Called> {
		const { maxAgeMs, consistencyTokens } = needs;
		// A call that is under way began too early for a request that needs a new poll.
		if (running !== undefined && 0 < running.maxAgeMs) {
			const isYoung = running.maxAgeMs <= maxAgeMs;
			const called = isYoung ? await running.called : undefined;
			const covering = { maxAgeMs: Infinity, consistencyTokens };
			if (called && (called.absent || known.suitable(covering))) return called;
		}
		next ??= begin();
		next.maxAgeMs = Math.min(next.maxAgeMs, maxAgeMs);
		for (const token of consistencyTokens) next.consistencyTokens.add(token);
		return next.called;
	}

	/** A call that begins later: after the one under way, if there is one. */
	function begin(): Round {
		const round: Round = {
			maxAgeMs: Infinity,
			consistencyTokens: new Set(),
			called: Promise.resolve(running?.called.catch(() => {})).then(() => {
				next = undefined;
				running = round;
				return call(round).finally(() => {
					running = undefined;
				});
			}),
		};
		return round;
	}

	async function call({ maxAgeMs, consistencyTokens }: Round): Promise<Called> {
		const sent = { number: ++calls, sentAt: now() };
		const request = {
			// The answer grows older on two ways.
			maxAgeMs: maxAgeMs / 2,
			consistencyTokens: [...consistencyTokens],
			known: known.sent,
		};
		const answer = await ask(() => feed.sync(request));
		isAbsent = answer.state === "absent";
		if (answer.state === "absent") return { absent: answer };
		known.merge(answer, sent);
		return { failure: answer.failure };
	}

	function ask<Value>(work: () => Promise<Value>): Promise<Value> {
		return withinLimit(withRetry(work), CALL_LIMIT_MS, sleep);
	}
}
