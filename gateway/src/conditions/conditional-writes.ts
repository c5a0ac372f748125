// Writes with If-Match: done only while the row that they name has not changed since the moment that the ETag stands for. The view tells
// of the changes up to its own moment. The database tells of those after it, in the write's own transaction, with the row locked
// (gateway/sql/code/pre_request). No condition is ignored: one that cannot be checked is refused.
import { areUnchanged } from "../cache/entry-freshness.ts";
import { TOKEN_HEADER } from "../consistency/consistency-token.ts";
import type { Freshness } from "../consistency/freshness.ts";
import type { View } from "../consistency/view.ts";
import { CATALOG_TAG } from "../feed/tag.ts";
import { Refusal } from "../http/refusals.ts";
import { errorIn } from "../origin/error-code.ts";
import type { PreRequestProbe } from "../origin/pre-request-probe.ts";
import { wholeBodyOf } from "../origin/whole-body.ts";
import type { Origin, Pipeline, PipelineRequest } from "../pipeline.ts";
import type { WritePlanner } from "../planner/planner.ts";
import { type Condition, conditionOf } from "./if-match.ts";

interface ConditionalWritesDeps {
	preRequest: PreRequestProbe;
	planner: WritePlanner;
	freshness: Freshness;
	/** How old the view may be that the moments are compared with. */
	maxStalenessMs: number;
}

/** Methods that write the rows that their filters name. */
const METHODS = ["PATCH", "PUT", "DELETE"];

/** What postern.check_row() raises. */
const RAISED = ["precondition_failed", "precondition_unsupported"] as const;

/** The origin for writes. One without If-Match passes unchanged. */
export function createConditionalWrites(
	writes: Origin,
	{ preRequest, planner, freshness, maxStalenessMs }: ConditionalWritesDeps,
): Pipeline {
	return async function conditionally(request, identity) {
		const condition = conditionOf(request);
		if (condition === undefined) return writes(request, identity);
		const match = await matchOf(request, condition);
		if (!(await preRequest.isCalled()))
			throw unsupported(
				"PostgREST's db-pre-request does not call postern.pre_request()",
			);
		const { answer, raised, details } = await toldBy(
			await writes(request, identity, { match }),
		);
		if (raised === undefined) return answer;
		// With a poll: otherwise the client would read the outdated row again, and try again with its ETag.
		const headers: Record<string, string> =
			raised === "precondition_failed"
				? { [TOKEN_HEADER]: await freshness.afterWrite() }
				: {};
		throw new Refusal(raised, { headers, ...(details && { details }) });
	};

	/** What the database is told: the row, and the cursor since which it may not have changed; null where it has changed before that. */
	async function matchOf(
		request: PipelineRequest,
		condition: Condition,
	): Promise<string> {
		if (!METHODS.includes(request.method))
			throw unsupported(`the method has to be one of ${METHODS.join(", ")}`);
		const view = await viewFor(condition);
		const catalog = view && (await freshness.catalog(view));
		if (view === undefined || catalog === undefined) throw unknown();
		const row = planner.writtenRow(catalog, request);
		if (typeof row === "string") throw unsupported(row);
		const isSame =
			condition !== "*" &&
			condition.some((moment) =>
				areUnchanged([...row.tags, CATALOG_TAG], moment, view),
			);
		const since = condition === "*" ? "*" : isSame ? view.cursor : null;
		const { schema, name, columns, key } = row;
		return ascii({ relation: [schema, name], columns, key, since });
	}

	/** A view that reaches as far as one of the moments, if the feed gives one. Any view is safe: the database tells the rest. */
	async function viewFor(condition: Condition): Promise<View | undefined> {
		const consistencyTokens: string[] = [];
		const view = await freshness.view({
			maxAgeMs: maxStalenessMs,
			consistencyTokens,
		});
		const isFarEnough =
			view === undefined ||
			condition === "*" ||
			condition.length === 0 ||
			condition.some(
				({ feedEpoch, seq }) => feedEpoch === view.feedEpoch && seq <= view.seq,
			);
		if (isFarEnough) return view;
		return (await freshness.view({ maxAgeMs: 0, consistencyTokens })) ?? view;
	}

	function unknown(): Refusal {
		return freshness.absence === undefined
			? new Refusal("origin_not_ready", {
					details: "the change feed does not tell yet what If-Match asks",
				})
			: unsupported("the database tracks no changes");
	}
}

/** Writes of a gateway without a change feed. */
export function withoutConditions(writes: Pipeline): Pipeline {
	return async (request, identity) => {
		if (conditionOf(request) !== undefined)
			throw unsupported("this gateway has no change feed");
		return writes(request, identity);
	};
}

interface Told {
	readonly answer: Response;
	readonly raised?: (typeof RAISED)[number];
	readonly details?: string | null | undefined;
}

/** What postern.check_row() says: nothing, or why nothing was written. */
async function toldBy(answer: Response): Promise<Told> {
	const { status } = answer;
	if (status !== 400 && status !== 412) return { answer };
	const body = await wholeBodyOf(answer);
	const { code, message, details } = errorIn(body) ?? {};
	const raised = RAISED.find((one) => one === message);
	if (raised === undefined || code !== `PT${status}`)
		return { answer: new Response(body, answer) };
	return { answer, raised, details };
}

function unsupported(details: string): Refusal {
	return new Refusal("precondition_unsupported", { details });
}

/** As JSON that a header can hold. */
function ascii(value: unknown): string {
	return JSON.stringify(value).replace(
		/[\x7f-\uffff]/g,
		(character) =>
			`\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`,
	);
}
