// What a million requests cost at Cloudflare, beyond what a plan includes, by the share of hits that docs/benchmarks.md measured.

/** Dollars, as docs/scale.md says where and when they were read. */
export const RATES = {
	millionRequests: 0.3,
	millionCpuMs: 0.02,
	millionKvReads: 0.5,
	millionKvWrites: 5,
	millionObjectRequests: 0.15,
	millionGbSeconds: 12.5,
} as const;

/** An object is billed for 128 MB, whatever it uses. */
const OBJECT_GB = 0.128;

/** CPU of a request in ms, of docs/benchmarks.md: a hit of one row with a token, a miss that is kept, a proxy of one line. */
const HIT_CPU_MS = 0.16;
const MISS_CPU_MS = 1.5;
/** Taken for one read of KV and one query through Hyperdrive as well, which were not measured. */
const PROXY_CPU_MS = 0.5;

/** Shares of hits at 1 % writes and 5 s, of docs/benchmarks.md: Postern, and a cache whose entries expire after 5 and after 33 s. */
const HITS = 0.893;
const HITS_EXPIRING_5 = 0.699;
const HITS_EXPIRING_33 = 0.887;
/** Assumed: KV is asked for all misses, and for as many hits that the isolate's memory does not have. */
const KV_LOOKUPS = 2 * (1 - HITS);
/** Assumed: half of the misses are of what is asked for a second time, and put into KV. */
const KV_STORED = 0.5;

export interface Cost {
	readonly name: string;
	readonly hits: number;
	/** Dollars for a million requests. */
	readonly workers: number;
	readonly objects: number;
	readonly kv: number;
	/** How many of the million reach PostgREST or the database. */
	readonly atOrigin: number;
}

/** A deployment whose calls were simulated. */
export interface Simulated {
	readonly name: string;
	readonly readsPerSecond: number;
	/** Of the change feed's object, and of relays. */
	readonly callsPerSecond: number;
	/** Objects that are never idle. */
	readonly objects: number;
}

export function costs(rates: typeof RATES, simulated: Simulated[]): Cost[] {
	const workers = (cpuMs: number) =>
		rates.millionRequests + cpuMs * rates.millionCpuMs;
	const feed = ({ readsPerSecond, callsPerSecond, objects }: Simulated) =>
		(callsPerSecond * rates.millionObjectRequests +
			objects * OBJECT_GB * rates.millionGbSeconds) /
		readsPerSecond;
	const kv = (reads: number, writes: number) =>
		reads * rates.millionKvReads + writes * rates.millionKvWrites;
	const postern = {
		hits: HITS,
		workers: workers(HITS * HIT_CPU_MS + (1 - HITS) * MISS_CPU_MS),
		kv: kv(KV_LOOKUPS, KV_STORED * (1 - HITS)),
		atOrigin: 1e6 * (1 - HITS),
	};
	const expiring = (hits: number) => ({
		hits,
		workers: workers(hits * PROXY_CPU_MS + (1 - hits) * PROXY_CPU_MS),
		objects: 0,
		kv: kv(1, 1 - hits),
		atOrigin: 1e6 * (1 - hits),
	});
	return [
		...simulated.map((one) => ({
			name: one.name,
			...postern,
			objects: feed(one),
		})),
		{
			name: "KV whose entries expire after 33 s",
			...expiring(HITS_EXPIRING_33),
		},
		{
			name: "Hyperdrive, whose entries expire after 5 s",
			hits: HITS_EXPIRING_5,
			workers: workers(PROXY_CPU_MS),
			objects: 0,
			kv: 0,
			atOrigin: 1e6 * (1 - HITS_EXPIRING_5),
		},
		{
			name: "no cache",
			hits: 0,
			workers: workers(PROXY_CPU_MS),
			objects: 0,
			kv: 0,
			atOrigin: 1e6,
		},
	];
}
