// Counts in windows of time. A window begins with the first thing that is counted in it, and what is refused neither counts nor
// extends it. So there are never more than the quota in a window, and never more than twice as many in any time of its length.
import { BoundedMap } from "../cache/bounded-map.ts";

/** Where a count stands. */
export interface Standing {
	readonly isAllowed: boolean;
	readonly remaining: number;
	/** Until the window ends, and all of the quota is there again. */
	readonly resetMs: number;
}

export interface Quota {
	readonly quota: number;
	readonly windowMs: number;
}

/** One window: plain values, so that storage can keep it. */
export interface CountedWindow {
	readonly used: number;
	readonly until: number;
}

/** Of what is left in a window. */
const SHARE = 0.1;

/** Counts one more, or a share of what is left, in the window of before or in a new one. */
export function countIn(
	window: CountedWindow | undefined,
	{ quota, windowMs }: Quota,
	now: number,
	wantsShare = false,
): { window: CountedWindow; standing: Standing; share: number } {
	const current =
		window !== undefined && now < window.until
			? window
			: { used: 0, until: now + windowMs };
	const left = Math.max(0, quota - current.used);
	const wanted = wantsShare ? Math.max(1, Math.floor(left * SHARE)) : 1;
	const share = Math.min(left, wanted);
	return {
		window: { used: current.used + share, until: current.until },
		share,
		standing: {
			isAllowed: share > 0,
			remaining: left - share,
			resetMs: current.until - now,
		},
	};
}

/** The window without one that was counted in it, or as it is where that was counted before it. */
export function oneLess(
	window: CountedWindow | undefined,
	{ windowMs }: Quota,
	takenAt: number,
): CountedWindow | undefined {
	return window === undefined ||
		window.used === 0 ||
		takenAt < window.until - windowMs
		? window
		: { ...window, used: window.used - 1 };
}

export interface WindowCounts {
	/** Counts one more, if it is allowed. */
	take(name: string, quota: Quota): Standing;
	/** Whether one more would be allowed. Counts nothing. */
	look(name: string, quota: Quota): Standing;
	/** Takes one back that was counted then. One of a window that has ended stays counted. */
	giveBack(name: string, quota: Quota, takenAt: number): void;
	/** Nothing more is allowed for this time. */
	close(name: string, { quota }: Quota, ms: number): void;
}

/** @param maxCounts beyond it the oldest count is forgotten */
export function createWindowCounts(
	maxCounts: number,
	now: () => number,
): WindowCounts {
	const windows = new BoundedMap<CountedWindow>(maxCounts);
	return {
		take(name, quota) {
			const { window, standing } = countIn(windows.get(name), quota, now());
			windows.set(name, window);
			return standing;
		},
		look: (name, quota) => countIn(windows.get(name), quota, now()).standing,
		giveBack(name, quota, takenAt) {
			const window = oneLess(windows.get(name), quota, takenAt);
			if (window !== undefined) windows.set(name, window);
		},
		close(name, { quota }, ms) {
			windows.set(name, { used: quota, until: now() + ms });
		},
	};
}
