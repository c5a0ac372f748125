// Bounds what many requests together hold in memory. The runtime may cancel a request without a word, so what a request has
// taken stops counting after a while.

export interface MemoryBudget {
	/** Opens one request's share. */
	open(): MemoryShare;
}

export interface MemoryShare {
	/** Counts the bytes in any case. @returns whether all shares together are within the budget */
	take(bytes: number): boolean;
	close(): void;
}

interface Counted {
	bytes: number;
	readonly endsAt: number;
}

/** @param limitMs how long a share counts if it is not closed */
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
