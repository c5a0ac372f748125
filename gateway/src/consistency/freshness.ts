// What an isolate knows of the change feed, and how it keeps up: the view that entries are compared with, and the catalog that
// reads are planned by. Never vouches for more than the feed has told it; where it cannot, the origin is asked.
//
// Clocks: the isolate's and the object's are never compared. The object says how long ago its poll began; the isolate
// takes that from the moment before it asked. Both stand still while code runs, so a moment may be noted too early, never too late.

import { createSingleFlight } from "../cache/single-flight.ts";
import type { Feed, SyncAnswer } from "../feed/feed.ts";
import { LastChanges } from "../feed/last-changes.ts";
import type { Catalog } from "../planner/catalog.ts";
import {
	covers,
	FORCING_TOKEN,
	type Position,
	toConsistencyToken,
} from "./consistency-token.ts";

/** The feed as the isolate knows it. Entries are stamped with its feedEpoch and seq, as they were before the origin was asked. */
export interface View {
	readonly feedEpoch: string;
	readonly seq: number;
	readonly prunedBelow: number;
	/** Own clock, in milliseconds: not later than the beginning of the poll that it stands for. */
	readonly asOf: number;
	/** Stands for everything that was committed before that poll. */
	readonly token: string;
	/** Own clock, in milliseconds: when the catalog changed last, or later; undefined if it has not within this feedEpoch. */
	readonly catalogChangedAt: number | undefined;
	/** seq of the tag's last change that is known of. */
	lastChange(tag: string): number;
	/** Whether it shows all that the token stands for. */
	covers(token: string): boolean;
}

export interface Needs {
	/** 0: of a poll that begins after the call. */
	readonly maxAgeMs: number;
	readonly tokens: readonly string[];
}

export interface Freshness {
	/** A view no older than maxAgeMs that covers the tokens; undefined where there is none to be had: ask the origin. */
	view(needs: Needs): Promise<View | undefined>;
	/** What reads are planned by, current as of the view; undefined while another request reads it, and where it cannot be read. */
	catalog(view: View): Promise<Catalog | undefined>;
	/** The last catalog known, current or not. */
	lastCatalog(): Catalog | undefined;
	/** After a write: a token that covers it. Never rejects. */
	afterWrite(): Promise<string>;
	/** Covers whatever the origin has shown by now. */
	tokenForNow(): string;
	/** Why there is no view or no catalog. */
	readonly problem: string | undefined;
}

interface FreshnessDeps {
	feed: Feed;
	/** Throws on what is no catalog. */
	parseCatalog: (json: unknown) => Catalog;
	/** The clock, in milliseconds. */
	now: () => number;
	sleep: (ms: number) => Promise<void>;
	waitUntil: (promise: Promise<unknown>) => void;
	log: (problem: unknown) => void;
}

/** Longest wait for the feed. */
const CALL_LIMIT_MS = 2_000;
/** Somewhat more: whoever has not finished by then is gone. */
const TURN_LIMIT_MS = 2_500;
/** The feed is not asked for this long after a failure. */
const COOL_DOWN_MS = 1_000;
/** Nor is it for this long after the database was found to track nothing. */
const ABSENCE_MS = 30_000;
/** Of more tokens than this in one call each would mean the same: poll. */
const MAX_TOKENS = 100;
/** Whatever age would do: no use in an older answer than this. */
const LONGEST_AGE_MS = 60_000;

/** A call of the feed, by the isolate's own clock. */
interface Call {
	/** Later calls have higher ones. */
	readonly number: number;
	readonly sentAt: number;
}

/** The newest answer of the feed. */
interface Known {
	readonly call: Call;
	/** What the poll was, by the object's clock. */
	readonly position: Position;
	/** The object's clock, at some moment after `call.sentAt`. */
	readonly objectNow: number;
	readonly seq: number;
	/** Of the whole feedEpoch: later answers are added. */
	readonly log: LastChanges;
	readonly asOf: number;
	readonly catalogChangedAt: number | undefined;
}

type Following = Extract<SyncAnswer, { state: "following" }>;

interface KnownCatalog {
	readonly feedEpoch: string;
	readonly seq: number;
	readonly catalog: Catalog;
}

/** A call that several requests want: one of them makes it, all of them look what became of it. */
interface Round {
	maxAgeMs: number;
	readonly tokens: Set<string>;
	hasBegun: boolean;
	/** What it has brought: no older than was wanted when the feed answered, and covering the tokens. */
	view: View | undefined;
}

export function createFreshness(deps: FreshnessDeps): Freshness {
	const { feed, now, sleep, waitUntil, log } = deps;
	const flights = createSingleFlight({
		now,
		sleep,
		limitMs: TURN_LIMIT_MS,
		maxFlights: 3,
	});
	let known: Known | undefined;
	let catalog: KnownCatalog | undefined;
	let calls = 0;
	let trouble: string | undefined;
	let isUntracked = false;
	let quietUntil = Number.NEGATIVE_INFINITY;
	let isCatalogBad = false;
	let catalogQuietUntil = Number.NEGATIVE_INFINITY;

	const reads = createLine("read");
	// Writes do not wait for a call that was made before they were: it would not do.
	const writes = createLine("write");

	return {
		async view(needs) {
			const view = suitable(needs);
			if (view === undefined) return reads.join(needs);
			if (now() - view.asOf > needs.maxAgeMs / 2) reads.keepUp(needs.maxAgeMs);
			return view;
		},
		catalog: async (view) => currentCatalog(view) ?? loadCatalog(view),
		lastCatalog: () => catalog?.catalog,
		async afterWrite() {
			const view = await writes.join({ maxAgeMs: 0, tokens: [] });
			// Where nothing is tracked as far as we know, others may know better already.
			return view?.token ?? FORCING_TOKEN;
		},
		tokenForNow,
		get problem() {
			if (trouble !== undefined) return trouble;
			return known && currentCatalog(toView(known)) === undefined
				? "catalog-reading"
				: undefined;
		},
	};

	function suitable({ maxAgeMs, tokens }: Needs): View | undefined {
		// Nothing from memory is of a poll that has yet to begin.
		if (known === undefined || isUntracked || maxAgeMs <= 0) return undefined;
		const { asOf, position } = known;
		const isSuitable =
			now() - asOf <= maxAgeMs &&
			tokens.every((token) => covers(position, token));
		return isSuitable ? toView(known) : undefined;
	}

	/** Calls of one kind, one at a time: whoever comes while one runs shares the next. */
	function createLine(name: string) {
		let next = emptyRound();

		function enter({ maxAgeMs, tokens }: Needs): Round {
			// An answer takes time, in which it grows older.
			next.maxAgeMs = Math.min(next.maxAgeMs, maxAgeMs / 2);
			for (const token of tokens) next.tokens.add(token);
			if (next.tokens.size > MAX_TOKENS) {
				next.tokens.clear();
				next.tokens.add(FORCING_TOKEN);
			}
			return next;
		}

		async function run(): Promise<void> {
			const round = next;
			next = emptyRound();
			round.hasBegun = true;
			const { maxAgeMs, tokens } = round;
			round.view = await call({ maxAgeMs, tokens: [...tokens] });
		}

		/** Goes on without its client: others wait for it. */
		function runOn(): Promise<void> {
			const running = run();
			waitUntil(running);
			return running;
		}

		return {
			keepUp(maxAgeMs: number): void {
				if (isQuiet() || flights.isUnderWay(name)) return;
				enter({ maxAgeMs, tokens: [] });
				waitUntil(flights.run<void>(name, () => undefined, run));
			},
			async join(needs: Needs): Promise<View | undefined> {
				const rounds: Round[] = [];
				const look = () =>
					suitable(needs) ??
					rounds.map(({ view }) => view).find((view) => isYoung(view, needs));
				// Once for a call that was under way, and once for the next.
				for (let attempt = 0; attempt < 2 && !isQuiet(); attempt++) {
					if (rounds.every(({ hasBegun }) => hasBegun))
						rounds.push(enter(needs));
					const { value } = await flights.run(name, look, async () => {
						await runOn();
						return look();
					});
					if (value !== undefined) return value;
				}
				return undefined;
			},
		};
	}

	/** What was made for it may still have taken too long. */
	function isYoung(view: View | undefined, { maxAgeMs }: Needs): boolean {
		if (view === undefined) return false;
		return maxAgeMs <= 0 || now() - view.asOf <= maxAgeMs;
	}

	/** @returns what it brings, or something newer */
	async function call(asked: Needs): Promise<View | undefined> {
		const sent: Call = { number: ++calls, sentAt: now() };
		const request = {
			...asked,
			known: known && { feedEpoch: known.position.feedEpoch, seq: known.seq },
		};
		try {
			return await withinLimit(
				// An answer that is late is good for those who come later.
				withRetry(() => feed.sync(request)).then((answer) =>
					learn(answer, sent),
				),
			);
		} catch (problem) {
			if (trouble !== "feed-unreachable") log(problem);
			trouble = "feed-unreachable";
			quietUntil = now() + COOL_DOWN_MS;
			return undefined;
		}
	}

	function learn(answer: SyncAnswer, call: Call): View | undefined {
		if (answer.state === "absent") {
			if (known !== undefined && call.number < known.call.number)
				return undefined;
			if (!isUntracked) log(new Error(`Nothing is cached: ${answer.reason}`));
			isUntracked = true;
			trouble = "untracked";
			quietUntil = now() + ABSENCE_MS;
			return undefined;
		}
		isUntracked = false;
		trouble = undefined;
		return merge(answer, call);
	}

	/** Answers may overtake each other. */
	function merge(answer: Following, call: Call): View | undefined {
		const { feedEpoch, objectRun, asOf, seq, changes } = answer;
		const isSameRun = known?.position.objectRun === objectRun;
		if (known !== undefined && !isNewer(answer, call, known))
			// Of the same life, what is known has all that the answer has. Of another one there is no telling.
			return isSameRun ? toView(known) : undefined;
		const isAddition = known?.position.feedEpoch === feedEpoch;
		if (!isAddition && !answer.isWhole) return undefined;
		const log = known && isAddition ? known.log : new LastChanges();
		log.raisePrunedBelow(answer.prunedBelow);
		log.record(changes);
		const changedMsAgo = answer.catalogChangedMsAgo;
		known = {
			call,
			position: { feedEpoch, objectRun, asOf },
			objectNow: answer.now,
			seq,
			log,
			// One more, since each moment was cut to a whole millisecond.
			asOf: call.sentAt - (answer.now - asOf) - 1,
			catalogChangedAt:
				changedMsAgo === null ? undefined : now() - changedMsAgo,
		};
		return toView(known);
	}

	function tokenForNow(): string {
		if (known === undefined || isUntracked) return FORCING_TOKEN;
		const { position, objectNow, call } = known;
		const elapsedMs = now() - call.sentAt;
		if (elapsedMs < 0) return FORCING_TOKEN;
		// What the object's clock shows now, at the most: the question took some of the time, one clock may run faster than the
		// other by a thousandth, and each of the three moments was cut to a whole millisecond. And one more, to be after it.
		const asOf = Math.ceil(objectNow + elapsedMs * 1.001) + 2;
		return toConsistencyToken({ ...position, asOf });
	}

	function currentCatalog({
		feedEpoch,
		lastChange,
	}: View): Catalog | undefined {
		const isCurrent =
			catalog?.feedEpoch === feedEpoch && lastChange("catalog") <= catalog.seq;
		return isCurrent ? catalog?.catalog : undefined;
	}

	/** One request waits for it, the others go to the origin meanwhile. */
	async function loadCatalog(view: View): Promise<Catalog | undefined> {
		if (now() < catalogQuietUntil || flights.isUnderWay("catalog"))
			return undefined;
		const reading = flights.run<void>(
			"catalog",
			() => undefined,
			fetchAndParse,
		);
		waitUntil(reading);
		await reading;
		return currentCatalog(view);
	}

	async function fetchAndParse(): Promise<void> {
		try {
			const answer = await withinLimit(withRetry(() => feed.catalog()));
			const { feedEpoch, seq } = answer;
			catalog = { feedEpoch, seq, catalog: deps.parseCatalog(answer.catalog) };
			isCatalogBad = false;
		} catch (problem) {
			if (!isCatalogBad) log(problem);
			isCatalogBad = true;
			catalogQuietUntil = now() + COOL_DOWN_MS;
		}
	}

	function withinLimit<Value>(promise: Promise<Value>): Promise<Value> {
		const limit = sleep(CALL_LIMIT_MS).then(() => {
			throw new Error(`The change feed took more than ${CALL_LIMIT_MS} ms`);
		});
		return Promise.race([promise, limit]);
	}

	function isQuiet(): boolean {
		return now() < quietUntil;
	}
}

/** Asks once more where the object was just restarted or moved; not where it has too much to do. */
async function withRetry<Value>(ask: () => Promise<Value>): Promise<Value> {
	try {
		return await ask();
	} catch (error) {
		const { retryable = false, overloaded = false } = error as {
			retryable?: boolean;
			overloaded?: boolean;
		};
		if (!retryable || overloaded) throw error;
		return ask();
	}
}

/** Within a life of the object its clock only rises, and so do its numbers while it stands still. Else the later question counts. */
function isNewer(answer: Following, call: Call, known: Known): boolean {
	const { feedEpoch, objectRun, asOf } = known.position;
	if (answer.objectRun === objectRun && answer.asOf !== asOf)
		return answer.asOf > asOf;
	if (answer.objectRun === objectRun && answer.feedEpoch === feedEpoch)
		return answer.seq >= known.seq;
	return call.number > known.call.number;
}

function toView(known: Known): View {
	const { position, seq, asOf, catalogChangedAt, log } = known;
	return {
		feedEpoch: position.feedEpoch,
		seq,
		asOf,
		token: toConsistencyToken(position),
		catalogChangedAt,
		// The log goes on growing, and may forget: its prunedBelow then has to be heeded, too.
		get prunedBelow() {
			return log.prunedBelow;
		},
		lastChange: (tag) => log.lastChange(tag),
		covers: (token) => covers(position, token),
	};
}

function emptyRound(): Round {
	return {
		maxAgeMs: LONGEST_AGE_MS,
		tokens: new Set(),
		hasBegun: false,
		view: undefined,
	};
}
