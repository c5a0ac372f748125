// Counts what callers do, and refuses what is over a limit: first in the isolate, without a wait; then exactly, in the caller's own
// object, where one is bound. A count that cannot be reached stops nobody: the isolate's own count goes on.
import { base64url } from "jose";
import { BoundedMap } from "../cache/bounded-map.ts";
import type { Sleep } from "../consistency/sleep.ts";
import { Refusal } from "../http/refusals.ts";
import type {
	LimitedKind,
	RateLimit,
	RateLimits,
} from "../settings/rate-limits.ts";
import type { Subjects } from "./caller.ts";
import type { CallerCounts } from "./caller-counts.ts";
import { type Counted, rateLimitFields } from "./rate-limit-fields.ts";
import { createShares } from "./shares.ts";
import { createWindowCounts, type Standing } from "./window-counts.ts";

/** Cloudflare's rate limit of one location, for requests of any kind. Its period is the window of `requests`. */
export interface LocationLimit {
	limit(request: { key: string }): Promise<{ success: boolean }>;
}

export interface LimiterDeps {
	rateLimits: RateLimits;
	/** The exact counts of one caller or address. Undefined where no object is bound. */
	countsOf: ((name: string) => CallerCounts) | undefined;
	locationLimit: LocationLimit | undefined;
	/** Names of counters beyond the isolate are hashed with it. */
	secret: string;
	now: () => number;
	sleep: Sleep;
	waitUntil: (promise: Promise<unknown>) => void;
	log: (error: unknown) => void;
}

export interface Limiter {
	/** Whether anything of this kind is limited. */
	isLimited(kind: LimitedKind): boolean;
	/** Counts in the isolate alone, where all limits allow it. */
	takeNow(kind: LimitedKind, subjects: Subjects): readonly Counted[];
	/** Counts nothing. @throws {Refusal} where the isolate knows that a limit does not allow it */
	check(kind: LimitedKind, subjects: Subjects): void;
	/** Counts wherever there is a count. @throws {Refusal} where a limit does not allow it */
	take(kind: LimitedKind, subjects: Subjects): Promise<readonly Counted[]>;
	/** Takes back what was taken for nothing, where its window has not ended. */
	giveBack(kind: LimitedKind, subjects: Subjects, takenAt: number): void;
}

/** About 100 bytes each. */
const MAX_COUNTS = 50_000;

/** Names beyond the isolate are remembered: this many, of subjects of at most this length. */
const MAX_NAMES = 1_000;
const MAX_KEPT_CHARACTERS = 512;

/** The caller's object is asked for no longer than this. */
const COUNT_MS = 1_000;

/** Clients of GoTrue know this code. It is also that of the limits that the database keeps. */
const CODES = {
	requests: "rate_limited",
	misses: "rate_limited",
	writes: "rate_limited",
	signIns: "over_request_rate_limit",
	unknownKeys: "over_request_rate_limit",
} as const;

export function createLimiter(deps: LimiterDeps): Limiter {
	const {
		rateLimits: limits,
		countsOf,
		locationLimit,
		now,
		sleep,
		waitUntil,
		log,
	} = deps;
	/** Found once, because hits are counted as well. */
	const limitsByKind = Map.groupBy(limits, kindOf);
	const counts = createWindowCounts(MAX_COUNTS, now);
	const shares = createShares(MAX_COUNTS, COUNT_MS, now);
	const short = createShortHash();
	const secretName = createSecretName(deps.secret);

	return { isLimited, takeNow, check, take, giveBack };

	function isLimited(kind: LimitedKind): boolean {
		return limitsByKind.has(kind);
	}

	function takeNow(kind: LimitedKind, subjects: Subjects): Counted[] {
		return takeDue(kind, dueOf(kind, subjects));
	}

	function check(kind: LimitedKind, subjects: Subjects): void {
		refuseIfOver(kind, standingsOf(dueOf(kind, subjects)));
	}

	function standingsOf(due: ReturnType<typeof dueOf>): Counted[] {
		return due.map(({ name, limit }) => ({
			limit,
			...counts.look(name, limit),
		}));
	}

	function takeDue(
		kind: LimitedKind,
		due: ReturnType<typeof dueOf>,
	): Counted[] {
		const standings = standingsOf(due);
		if (standings.some(({ isAllowed }) => !isAllowed)) return standings;
		for (const { name, limit } of due) counts.take(name, limit);
		if (kind === "requests" && locationLimit !== undefined)
			for (const one of due) waitUntil(askLocation(one, locationLimit));
		return standings;
	}

	async function take(
		kind: LimitedKind,
		subjects: Subjects,
	): Promise<readonly Counted[]> {
		const due = dueOf(kind, subjects);
		const counted = takeDue(kind, due);
		refuseIfOver(kind, counted);
		if (countsOf === undefined || kind === "requests") return counted;
		const exact = await Promise.all(
			due.map(async ({ name, subject, limit }, index) => {
				const own = () => shares.spend(name);
				const asked = own() ?? (await exactly(name, subject, limit));
				// Others of the isolate may have got a share meanwhile.
				const standing = asked?.isAllowed === false ? (own() ?? asked) : asked;
				if (standing === undefined) return counted[index];
				if (!standing.isAllowed) counts.close(name, limit, standing.resetMs);
				return { limit, ...standing };
			}),
		);
		const all = exact.filter((one) => one !== undefined);
		refuseIfOver(kind, all);
		return all;
	}

	function giveBack(
		kind: LimitedKind,
		subjects: Subjects,
		takenAt: number,
	): void {
		for (const { name, subject, limit } of dueOf(kind, subjects)) {
			counts.giveBack(name, limit, takenAt);
			if (countsOf === undefined || kind === "requests") continue;
			waitUntil(
				secretName(subject)
					.then((hash) =>
						countsOf(hash).giveBack(limit.name, limit, now() - takenAt),
					)
					.catch(log),
			);
		}
	}

	/** The limits of this kind whose subject is known. */
	function dueOf(kind: LimitedKind, { caller, address }: Subjects) {
		const ofKind = limitsByKind.get(kind) ?? [];
		return ofKind.flatMap((limit) => {
			const subject = limit.name.endsWith("@address") ? address : caller;
			return subject === undefined
				? []
				: [{ limit, subject, name: `${limit.name} ${short(subject)}` }];
		});
	}

	/** @returns undefined where the object does not answer */
	async function exactly(
		name: string,
		subject: string,
		limit: RateLimit,
	): Promise<Standing | undefined> {
		const askedAt = now();
		const wantsShare = shares.mayAsk(name);
		try {
			const hash = await secretName(subject);
			const asked = countsOf?.(hash).take(limit.name, limit, wantsShare);
			const added = asked?.then((taken) =>
				wantsShare ? shares.add(name, taken, askedAt) : taken,
			);
			// The object has counted the share, whether or not its answer is late, or the client gone.
			if (wantsShare && added) waitUntil(added.catch(() => {}));
			return await Promise.race([
				added,
				sleep(COUNT_MS, added).then(() => undefined),
			]);
		} catch (error) {
			log(error);
			return undefined;
		}
	}

	/** Is asked after the answer: the next request is refused if the location says so. */
	async function askLocation(
		{ name, subject, limit }: ReturnType<typeof dueOf>[number],
		location: LocationLimit,
	): Promise<void> {
		try {
			const key = `${limit.name} ${await secretName(subject)}`;
			const { success } = await location.limit({ key });
			if (!success) counts.close(name, limit, limit.windowMs);
		} catch (error) {
			log(error);
		}
	}
}

function kindOf({ name }: RateLimit): string {
	return name.replace("@address", "");
}

function refuseIfOver(kind: LimitedKind, counted: readonly Counted[]): void {
	const over = counted.filter(({ isAllowed }) => !isAllowed);
	if (over.length === 0) return;
	const seconds = Math.max(...over.map(({ resetMs }) => resetMs)) / 1_000;
	throw new Refusal(CODES[kind], {
		details: over.map(({ limit }) => limit.name).join(", "),
		headers: {
			...rateLimitFields(counted),
			"Retry-After": String(Math.ceil(seconds)),
		},
	});
}

/** A hash without a wait, with a seed that nobody knows: names in memory are short, and nobody can choose one like another's. */
function createShortHash() {
	const [seed = 0, other = 0] = crypto.getRandomValues(new Uint32Array(2));
	return (text: string): string => {
		let [one, two] = [seed, other];
		for (let index = 0; index < text.length; index++) {
			const code = text.charCodeAt(index);
			one = Math.imul(one ^ code, 2_654_435_761);
			two = Math.imul(two ^ code, 1_597_334_677);
			one ^= two >>> 15;
			two ^= one >>> 13;
		}
		return `${(one >>> 0).toString(36)}${(two >>> 0).toString(36)}`;
	};
}

/** Names for storage beyond the isolate, which tell nobody whose they are (HMAC, RFC 2104). */
function createSecretName(secret: string) {
	let key: CryptoKey | undefined;
	// A caller who asks once asks again.
	const known = new BoundedMap<string>(MAX_NAMES);
	const bytesOf = (text: string) => new TextEncoder().encode(text);
	return async (text: string): Promise<string> => {
		const before = known.get(text);
		if (before !== undefined) return before;
		key ??= await crypto.subtle.importKey(
			"raw",
			bytesOf(`postern limits ${secret}`),
			{ name: "HMAC", hash: "SHA-256" },
			false,
			["sign"],
		);
		const mac = await crypto.subtle.sign("HMAC", key, bytesOf(text));
		const name = base64url.encode(new Uint8Array(mac));
		if (text.length <= MAX_KEPT_CHARACTERS) known.set(text, name);
		return name;
	};
}
