// Of samples, in any order.

/** The sample that this share of all is not above; 1 is the greatest. 0 where there is none. */
export function percentile(samples: readonly number[], share: number): number {
	const sorted = samples.toSorted((a, b) => a - b);
	return sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? 0;
}

export function median(samples: readonly number[]): number {
	return percentile(samples, 0.5);
}
