// What an isolate knows of the change feed: the view that entries are compared with. It shows no more than the feed has told.
//
// Clocks: the isolate's and the object's are never compared. The object says how long ago its poll began, and the isolate
// subtracts that from the moment before it asked. Both clocks stand still while code runs, so a moment may be recorded too
// early, never too late.
import type { SyncAnswer, SyncRequest } from "../feed/feed.ts";
import { LastChanges } from "../feed/last-changes.ts";
import {
	covers,
	FORCING_TOKEN,
	type Position,
	toConsistencyToken,
} from "./consistency-token.ts";

/** The change feed as the isolate knows it. Entries are stamped with the view from before the origin was asked. */
export interface View {
	readonly feedEpoch: string;
	readonly seq: number;
	readonly prunedBelow: number;
	/** The database's cursor of some poll: the changes that it shows have numbers up to `seq`. */
	readonly cursor: string;
	/** By the isolate's clock, not later than the beginning of the view's poll. */
	readonly asOf: number;
	/** Stands for everything that was committed before that poll began. */
	readonly consistencyToken: string;
	/** Whether PostgREST has loaded the schema as of the catalog's last change. */
	readonly isSchemaLoaded: boolean;
	/** The number of the tag's last known change. */
	lastChange(tag: string): number;
	/** Whether the view shows everything that the token stands for. */
	covers(consistencyToken: string): boolean;
}

export interface Needs {
	/** 0 needs a poll that begins after the call. */
	readonly maxAgeMs: number;
	readonly consistencyTokens: readonly string[];
}

/** A call of the feed. */
export interface Call {
	/** Later calls have higher numbers. */
	readonly number: number;
	/** By the isolate's clock. */
	readonly sentAt: number;
}

type Following = Extract<SyncAnswer, { state: "following" }>;

/** The newest answer of the feed, merged with those before it. */
interface Known {
	readonly call: Call;
	/** The poll, by the object's clock, and the cursor of the last one. */
	readonly position: Position;
	/** The object's clock, at some moment after `call.sentAt`. */
	readonly objectNow: number;
	readonly seq: number;
	/** All changes of the feed epoch. Later answers are added. */
	readonly lastChanges: LastChanges;
	readonly asOf: number;
	readonly isSchemaLoaded: boolean;
}

/** @param now the isolate's clock, in milliseconds */
export function createKnownFeed(now: () => number) {
	let known: Known | undefined;
	let view: View | undefined;

	return {
		get view(): View | undefined {
			return view;
		},
		/** What the feed does not have to tell again. */
		get sent() {
			return known && { feedEpoch: known.position.feedEpoch, seq: known.seq };
		},
		isNewerThan: (call: Call) =>
			known !== undefined && call.number < known.call.number,
		/** Whether another knows a later number of the same feed epoch. */
		isBehind: (other: SyncRequest["known"]) =>
			known !== undefined &&
			known.position.feedEpoch === other?.feedEpoch &&
			known.seq < other.seq,
		suitable,
		merge,
		answer,
		consistencyTokenNow,
	};

	function learn(next: Known): View {
		known = next;
		view = toView(next);
		return view;
	}

	function suitable({ maxAgeMs, consistencyTokens }: Needs): View | undefined {
		// A known poll cannot have begun after this call.
		if (known === undefined || maxAgeMs <= 0) return undefined;
		const { asOf, position } = known;
		const isSuitable =
			now() - asOf <= maxAgeMs &&
			consistencyTokens.every((token) => covers(position, token));
		return isSuitable ? view : undefined;
	}

	/** Merges an answer. A later call's answer may have arrived before it. */
	function merge(answer: Following, call: Call): View | undefined {
		const { feedEpoch, objectRun, asOf, seq, cursor, changes } = answer;
		const isSameRun = known?.position.objectRun === objectRun;
		const isAddition = known?.position.feedEpoch === feedEpoch;
		if (known && isAddition && !isSameRun && answer.failure !== undefined) {
			// A restarted object that has not polled yet. Its changes count, and the known poll stays the last.
			known.lastChanges.raisePrunedBelow(answer.prunedBelow);
			known.lastChanges.record(changes);
			return learn({ ...known, seq: Math.max(known.seq, seq) });
		}
		if (known !== undefined && !isNewer(answer, call, known))
			// In one run of the object, what is known includes the answer. Answers of two runs cannot be compared.
			return isSameRun ? view : undefined;
		if (!isAddition && !answer.isWhole) return undefined;
		const lastChanges =
			known && isAddition ? known.lastChanges : new LastChanges();
		lastChanges.raisePrunedBelow(answer.prunedBelow);
		lastChanges.record(changes);
		return learn({
			call,
			position: { feedEpoch, objectRun, asOf, cursor },
			objectNow: answer.now,
			seq,
			lastChanges,
			// Subtract 1 ms: both clocks round down.
			asOf: call.sentAt - (answer.now - asOf) - 1,
			isSchemaLoaded: answer.isSchemaLoaded,
		});
	}

	/** What the object would have answered, had it been asked for what is known. */
	function answer(since: SyncRequest["known"]): Following | undefined {
		if (known === undefined) return undefined;
		const { position, seq, lastChanges, isSchemaLoaded } = known;
		const isWhole = since?.feedEpoch !== position.feedEpoch;
		return {
			state: "following",
			...position,
			seq,
			prunedBelow: lastChanges.prunedBelow,
			// The age of the poll by this clock. An upper bound of the object's clock, as in consistencyTokenNow.
			now: position.asOf + Math.ceil((now() - known.asOf) * 1.001) + 1,
			changes: lastChanges.since(isWhole ? 0 : since.seq),
			isWhole,
			isSchemaLoaded,
		};
	}

	/** A token for everything that the origin has shown by now. */
	function consistencyTokenNow(): string {
		if (known === undefined) return FORCING_TOKEN;
		const { position, objectNow, call } = known;
		const elapsedMs = now() - call.sentAt;
		if (elapsedMs < 0) return FORCING_TOKEN;
		// An upper bound of the object's clock: the call took some of the elapsed time, one clock may run faster by a thousandth,
		// and each of the three moments was rounded down. 1 ms more puts the token after the present moment.
		const asOf = Math.ceil(objectNow + elapsedMs * 1.001) + 2;
		return toConsistencyToken({ ...position, asOf });
	}
}

/** In one run of the object its clock rises, and while it stands still its numbers do. Between runs the later call counts. */
function isNewer(answer: Following, call: Call, known: Known): boolean {
	const { feedEpoch, objectRun, asOf } = known.position;
	if (answer.objectRun === objectRun && answer.asOf !== asOf)
		return answer.asOf > asOf;
	if (answer.objectRun === objectRun && answer.feedEpoch === feedEpoch)
		return answer.seq >= known.seq;
	return call.number > known.call.number;
}

function toView(known: Known): View {
	const { position, seq, asOf, isSchemaLoaded, lastChanges } = known;
	return {
		feedEpoch: position.feedEpoch,
		seq,
		cursor: position.cursor,
		asOf,
		consistencyToken: toConsistencyToken(position),
		isSchemaLoaded,
		// A getter, because later answers are added to the same changes, which may then drop some.
		get prunedBelow() {
			return lastChanges.prunedBelow;
		},
		lastChange: (tag) => lastChanges.lastChange(tag),
		covers: (token) => covers(position, token),
	};
}
