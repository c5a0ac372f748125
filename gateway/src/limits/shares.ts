// Shares of quotas that the objects of callers have counted for this isolate: it spends them without asking again.
import { BoundedMap } from "../cache/bounded-map.ts";
import type { Taken } from "./caller-counts.ts";
import type { Standing } from "./window-counts.ts";

interface Share {
	/** None while the object is asked for it. */
	readonly left: number;
	/** What the object had left for others. */
	readonly remaining: number;
	readonly until: number;
}

export interface Shares {
	/** Spends one. @returns undefined where none is left */
	spend(name: string): Standing | undefined;
	/** Whether the caller is the one who asks for a share. Those who come meanwhile ask for one of their own. */
	mayAsk(name: string): boolean;
	/** What the object has counted, one of which is spent. @param askedAt before the object was asked */
	add(name: string, taken: Taken, askedAt: number): Standing;
}

/**
 * @param maxShares beyond it the oldest is forgotten
 * @param askedForMs longer nobody waits for the object's answer
 */
export function createShares(
	maxShares: number,
	askedForMs: number,
	now: () => number,
): Shares {
	const shares = new BoundedMap<Share>(maxShares);
	return { spend, mayAsk, add };

	function current(name: string): Share | undefined {
		const share = shares.get(name);
		return share !== undefined && now() < share.until ? share : undefined;
	}

	function spend(name: string): Standing | undefined {
		const share = current(name);
		if (share === undefined || share.left === 0) return undefined;
		const left = share.left - 1;
		if (left === 0) shares.delete(name);
		else shares.set(name, { ...share, left });
		return {
			isAllowed: true,
			remaining: share.remaining + left,
			resetMs: share.until - now(),
		};
	}

	function mayAsk(name: string): boolean {
		if (current(name) !== undefined) return false;
		shares.set(name, { left: 0, remaining: 0, until: now() + askedForMs });
		return true;
	}

	function add(
		name: string,
		// An object of a version before counts one.
		{ isAllowed, share = 1, remaining, resetMs }: Taken,
		askedAt: number,
	): Standing {
		const before = current(name);
		// One that came meanwhile is added to.
		const left = Math.max(0, share - 1) + (before?.left ?? 0);
		// The object's window does not end before that, however long its answer took.
		const ownUntil = askedAt + resetMs;
		const until = before?.left ? Math.min(before.until, ownUntil) : ownUntil;
		if (left > 0) shares.set(name, { left, remaining, until });
		else shares.delete(name);
		return { isAllowed, remaining: remaining + left, resetMs };
	}
}
