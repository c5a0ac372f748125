// Collects what an answer depends on, while a request is understood piece by piece; adds it up for one role in the end.
import { NotCacheable } from "./bypass.ts";
import type { Catalog, Dependence, Policy } from "./catalog.ts";

export interface Sum {
	/** Sorted; always with `catalog`. */
	readonly tags: readonly string[];
	/** Names of the claims that the answer depends on, sorted. */
	readonly claims: readonly string[];
	readonly maxStalenessMs: number;
}

/** Any change of the schema, of policies and of grants. */
const CATALOG_TAG = "catalog";

/** They differ from token to token. */
const UNSTABLE_CLAIMS = new Set(["exp", "iat", "nbf", "jti"]);

export class DependencySet {
	readonly #used = new Set<Dependence>();
	#root: { dependence: Dependence; tags: readonly string[] } | undefined;

	add(dependence: Dependence): void {
		this.#used.add(dependence);
	}

	/** What the request is about. `rowTags`: where it is about one row, the tags to stand in its own tag's place. */
	setRoot(
		dependence: Dependence & { tag: string | null },
		rowTags: readonly string[] | undefined,
	): void {
		const { tag, reads } = dependence;
		const tags =
			rowTags === undefined
				? reads
				: [...rowTags, ...reads.filter((read) => read !== tag)];
		this.#root = { dependence, tags };
	}

	/** @throws {NotCacheable} when something in it cannot be cached for this role */
	sum(catalog: Catalog, role: string, defaultMaxStalenessMs: number): Sum {
		const memberships = catalog.memberships(role);
		if (memberships === undefined)
			throw new NotCacheable(`the role ${role} is not known to the catalog`);
		const tags = new Set([CATALOG_TAG]);
		const claims = new Set<string>();
		let maxStalenessMs = Number.POSITIVE_INFINITY;
		const count = (
			{ claims: read, reasons }: Pick<Dependence, "claims" | "reasons">,
			reads: readonly string[],
		) => {
			const [reason] = reasons;
			if (reason !== undefined) throw new NotCacheable(reason);
			for (const tag of reads) tags.add(tag);
			for (const claim of read) claims.add(claim);
		};
		const all = new Set(this.#used);
		const root = this.#root;
		if (root !== undefined) all.add(root.dependence);
		for (const one of all) {
			const isRoot = one === root?.dependence && !this.#used.has(one);
			count(one, isRoot ? root.tags : one.reads);
			for (const policy of one.policies) {
				if (applies(policy, memberships)) count(policy, policy.reads);
			}
			if (one.stalenessSeconds !== null)
				maxStalenessMs = Math.min(maxStalenessMs, one.stalenessSeconds * 1_000);
		}
		for (const tag of tags) {
			if (tag === CATALOG_TAG) continue;
			const own = catalog.maxStalenessOf(relationTag(tag));
			maxStalenessMs = Math.min(
				maxStalenessMs,
				own == null ? defaultMaxStalenessMs : own * 1_000,
			);
		}
		for (const claim of claims) {
			if (UNSTABLE_CLAIMS.has(claim))
				throw new NotCacheable(
					`the claim ${claim} differs from token to token`,
				);
		}
		return {
			tags: [...tags].sort(),
			claims: [...claims].sort(),
			maxStalenessMs: Number.isFinite(maxStalenessMs)
				? maxStalenessMs
				: defaultMaxStalenessMs,
		};
	}
}

function applies({ roles }: Policy, memberships: ReadonlySet<string>): boolean {
	return roles.some((role) => role === "public" || memberships.has(role));
}

/** A row's tag begins with its relation's. */
function relationTag(tag: string): string {
	const name =
		/^(?:[A-Za-z0-9_-]+|"(?:[^"]|"")*")\.(?:[A-Za-z0-9_-]+|"(?:[^"]|"")*")/.exec(
			tag,
		);
	return name?.[0] ?? tag;
}
