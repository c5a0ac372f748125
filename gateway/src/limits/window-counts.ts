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

/** Counts one more in the window of before, or in a new one. */
export function countIn(
	window: CountedWindow | undefined,
	{ quota, windowMs }: Quota,
	now: number,
): { window: CountedWindow; standing: Standing } {
	const current =
		window !== undefined && now < window.until
			? window
			: { used: 0, until: now + windowMs };
	const isAllowed = current.used < quota;
	const used = isAllowed ? current.used + 1 : current.used;
	return {
		window: { used, until: current.until },
		standing: {
			isAllowed,
			remaining: Math.max(0, quota - used),
			resetMs: current.until - now,
		},
	};
}

export interface WindowCounts {
	/** Counts one more, if it is allowed. */
	take(name: string, quota: Quota): Standing;
	/** Whether one more would be allowed. Counts nothing. */
	look(name: string, quota: Quota): Standing;
	giveBack(name: string): void;
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
		giveBack(name) {
			const window = windows.get(name);
			if (window !== undefined && window.used > 0)
				windows.set(name, { ...window, used: window.used - 1 });
		},
		close(name, { quota }, ms) {
			windows.set(name, { used: quota, until: now() + ms });
		},
	};
}
