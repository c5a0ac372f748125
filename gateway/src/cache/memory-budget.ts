// A bound on what many requests hold in memory at once. A request that has lost its client ends without a word, so what it
// has taken is forgotten after a while.

export interface MemoryBudget {
	/** One request's share. */
	open(): MemoryShare;
}

export interface MemoryShare {
	/** @returns whether that much is still allowed; it is counted in any case */
	take(bytes: number): boolean;
	close(): void;
}

interface Counted {
	bytes: number;
	readonly endsAt: number;
}

/** @param limitMs how long a share counts, if it is not closed */
export function createMemoryBudget(
	maxBytes: number,
	limitMs: number,
	now: () => number,
): MemoryBudget {
	// In the order in which they were opened.
	const shares = new Set<Counted>();
	let total = 0;

	function forgetEnded(): void {
		for (const share of shares) {
			if (now() < share.endsAt) return;
			close(share);
		}
	}

	function close(share: Counted): void {
		if (shares.delete(share)) total -= share.bytes;
	}

	return {
		open() {
			forgetEnded();
			const share = { bytes: 0, endsAt: now() + limitMs };
			shares.add(share);
			return {
				take(bytes) {
					if (!shares.has(share)) return false;
					share.bytes += bytes;
					total += bytes;
					return total <= maxBytes;
				},
				close: () => close(share),
			};
		},
	};
}
