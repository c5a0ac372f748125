// What isolates ask of the change feed, and what it answers. Only types. All of it crosses RPC, so it is plain data.

export interface SyncRequest {
	/** What the isolate knows already. It needs later changes only. */
	readonly known?:
		| { readonly feedEpoch: string; readonly seq: number }
		| undefined;
	/** Answer from memory if the last poll began no longer ago. 0 needs a poll that begins after this call. */
	readonly maxAgeMs: number;
	/** The answer has to cover these. */
	readonly consistencyTokens?: readonly string[] | undefined;
}

/** `origin-…` where the origin is away; otherwise the database answers, and does not tell of its changes. */
export type FeedFailure =
	| "origin-unreachable"
	| "origin-timeout"
	| "feed-unreachable";

/** A tag, and the number of the poll that found its last change. */
export type Change = readonly [tag: string, seq: number];

export type SyncAnswer =
	/** The database tracks nothing, or nothing that the gateway may see. */
	| { readonly state: "absent"; readonly reason: string }
	| {
			readonly state: "following";
			/** Numbers of different feed epochs cannot be compared. */
			readonly feedEpoch: string;
			readonly seq: number;
			/** The lowest number that an entry can still be compared by. */
			readonly prunedBelow: number;
			/** Names the run of the object: it changes with each restart. */
			readonly objectRun: string;
			/** When the last poll began, by the object's clock. No two polls of a run began at the same moment. */
			readonly asOf: number;
			/** The object's clock. */
			readonly now: number;
			/** That of the last poll: the changes that it shows have numbers up to `seq`. */
			readonly cursor: string;
			/** The changes after `known.seq`, or all of the feed epoch. */
			readonly changes: readonly Change[];
			/** Whether `changes` has all changes of the feed epoch. */
			readonly isWhole: boolean;
			/** Whether PostgREST has shown that it has loaded the schema as of the catalog's last change. */
			readonly isSchemaLoaded: boolean;
			/** Why the answer is only what the object knew already, and does not satisfy the request: the database cannot be asked. */
			readonly failure?: FeedFailure;
	  };

/** The catalog, no older than the state at `seq`. */
export interface CatalogAnswer {
	readonly feedEpoch: string;
	readonly seq: number;
	/** What `catalogParts` made of what `postern.catalog` returned. */
	readonly catalog: unknown;
}

export interface Feed {
	/** Rejects when the database cannot be asked and the object knows nothing of it. */
	sync(request: SyncRequest): Promise<SyncAnswer>;
	/** Rejects when the database cannot be asked, or tracks nothing. */
	catalog(): Promise<CatalogAnswer>;
}
