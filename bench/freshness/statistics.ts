// Statistics of samples, in any order.

/** The smallest sample that this share of all samples does not exceed; 1 gives the greatest. 0 without samples. */
export function percentile(samples: readonly number[], share: number): number {
	const sorted = samples.toSorted((a, b) => a - b);
	return sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? 0;
}

export function median(samples: readonly number[]): number {
	return percentile(samples, 0.5);
}
