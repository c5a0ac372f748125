// Collects what an answer depends on while a request is resolved, and adds it up. Nothing here asks for the caller's role: the
// policies of a table count for every role.

import type { CallerReads, Dependencies } from "../feed/catalog-shape.ts";
import { CATALOG_TAG, relationTagOf } from "../feed/tag.ts";
import { reachesOrigin } from "../origin/headers.ts";
import type { Catalog } from "./catalog.ts";
import { NotCacheable } from "./plan.ts";

/** What an answer depends on. */
interface AnswerDependencies {
	/** Sorted. Always includes `catalog`. */
	readonly tags: readonly string[];
	/** Each list sorted. */
	readonly callerReads: CallerReads;
	readonly readsClock: boolean;
	readonly maxStalenessMs: number;
}

/** Claims with another value in each token: a key with one of them would never be shared. */
const UNSTABLE_CLAIMS = new Set(["exp", "iat", "nbf", "jti"]);

export class DependencySet {
	readonly #members = new Set<Dependencies>();
	#root: { member: Dependencies; tags: readonly string[] } | undefined;

	add(member: Dependencies): void {
		this.#members.add(member);
	}

	/**
	 * Sets the relation that the request reads.
	 * @param rowTags replace the relation's own tag where the request reads one row
	 */
	setRoot(
		member: Dependencies & { tag: string | null },
		rowTags: readonly string[] | undefined,
	): void {
		const { tag, reads } = member;
		const tags =
			rowTags === undefined
				? reads
				: [...rowTags, ...reads.filter((read) => read !== tag)];
		this.#root = { member, tags };
	}

	/** @throws {NotCacheable} when a member cannot be cached */
	sum(catalog: Catalog, defaultMaxStalenessMs: number): AnswerDependencies {
		const tags = new Set([CATALOG_TAG]);
		const claims = new Set<string>();
		const headers = new Set<string>();
		const cookies = new Set<string>();
		let readsClock = false;
		let maxStalenessMs = Number.POSITIVE_INFINITY;
		const all = new Set(this.#members);
		if (catalog.preRequest !== null) all.add(catalog.preRequest);
		const root = this.#root;
		if (root !== undefined) all.add(root.member);
		for (const one of all) {
			// A relation that is also embedded in itself is read as a whole.
			const isRoot = one === root?.member && !this.#members.has(one);
			const [reason] = one.reasons;
			if (reason !== undefined) throw new NotCacheable(reason, true);
			for (const tag of isRoot ? root.tags : one.reads) tags.add(tag);
			for (const claim of one.claims) claims.add(claim);
			for (const header of one.headers) headers.add(header);
			for (const cookie of one.cookies) cookies.add(cookie);
			readsClock ||= one.readsClock;
			if (one.maxStalenessSeconds !== null)
				maxStalenessMs = Math.min(
					maxStalenessMs,
					one.maxStalenessSeconds * 1_000,
				);
		}
		for (const tag of tags) {
			if (tag === CATALOG_TAG) continue;
			const seconds = catalog.maxStalenessOf(relationTagOf(tag));
			maxStalenessMs = Math.min(
				maxStalenessMs,
				seconds == null ? defaultMaxStalenessMs : seconds * 1_000,
			);
		}
		for (const claim of claims) {
			const [name = ""] = claim.split("/");
			if (UNSTABLE_CLAIMS.has(name))
				throw new NotCacheable(`the claim ${name} differs from token to token`);
		}
		for (const header of headers) {
			if (!reachesOrigin(header))
				throw new NotCacheable(
					`the origin gets another header ${header} than the client sent`,
				);
		}
		return {
			tags: [...tags].sort(),
			callerReads: {
				claims: [...claims].sort(),
				headers: [...headers].sort(),
				cookies: [...cookies].sort(),
			},
			readsClock,
			maxStalenessMs: Number.isFinite(maxStalenessMs)
				? maxStalenessMs
				: defaultMaxStalenessMs,
		};
	}
}
