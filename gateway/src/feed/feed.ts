// What isolates ask of the change feed and what it answers. Types alone; all of it crosses RPC, so all of it is plain.

/** What an isolate asks. */
export interface SyncRequest {
	/** What the isolate has already: only later changes are wanted. */
	readonly known?:
		| { readonly feedEpoch: string; readonly seq: number }
		| undefined;
	/** Answer from memory if the last poll began no longer ago than this, in milliseconds. 0: a poll that begins after this call. */
	readonly maxAgeMs: number;
	/** Tokens that the answer has to cover. */
	readonly tokens?: readonly string[] | undefined;
}

/** A tag and the number of the poll that found its last change. */
export type Change = readonly [tag: string, seq: number];

export type SyncAnswer =
	/** The database tracks nothing that the gateway may see. */
	| { readonly state: "absent"; readonly reason: string }
	| {
			readonly state: "following";
			/** Nothing numbered in another feedEpoch means anything in this one. */
			readonly feedEpoch: string;
			readonly seq: number;
			/** The least seq that anything can still be compared by. */
			readonly prunedBelow: number;
			/** Of the object: it has another one after each restart. */
			readonly objectRun: string;
			/** Before the last poll was sent, by the object's clock, in milliseconds. No two polls of a life have the same. */
			readonly asOf: number;
			/** The object's clock. */
			readonly now: number;
			/** All that changed within the epoch, or after `known.seq`. */
			readonly changes: readonly Change[];
			readonly isWhole: boolean;
			/** How long ago the object learned that the catalog changed; null if it has not within this feedEpoch. */
			readonly catalogChangedMsAgo: number | null;
	  };

/** The catalog, no older than the state that `seq` stands for. */
export interface CatalogAnswer {
	readonly feedEpoch: string;
	readonly seq: number;
	/** What `postern.catalog` answered. */
	readonly catalog: unknown;
}

export interface Feed {
	/** Rejects when the database cannot be asked. */
	sync(request: SyncRequest): Promise<SyncAnswer>;
	/** Rejects likewise, and where the database tracks nothing. */
	catalog(): Promise<CatalogAnswer>;
}
