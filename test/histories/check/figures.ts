// The figures of a run, and the text of a violation.

import type { Played } from "../play.ts";
import type { Verdict, Violation } from "./check.ts";
import type { Event, Read } from "./history.ts";

export interface Figures {
	operations: number;
	reads: number;
	/** Answers from the cache, without the reads past the gateway. */
	hits: number;
	answered: number;
	writes: number;
	transactions: number;
	/** The longest time that an answer had been out of date when it was asked for. */
	worstStalenessMs: number;
	outdated: number;
	violations: number;
	/** The number of faults by kind. */
	faults: Record<string, number>;
	failures: Record<string, number>;
	/** The Cache-Status values of reads through the gateway. */
	statuses: Record<string, number>;
}

export function noFigures(): Figures {
	return {
		operations: 0,
		reads: 0,
		hits: 0,
		answered: 0,
		writes: 0,
		transactions: 0,
		worstStalenessMs: 0,
		outdated: 0,
		violations: 0,
		faults: {},
		failures: {},
		statuses: {},
	};
}

export function addRound(
	figures: Figures,
	{ events, commits, faults }: Played,
	{ worstStalenessMs, outdated, violations }: Verdict,
): void {
	for (const event of events) {
		if (event.kind === "write") figures.writes += 1;
		if (event.kind === "read") addRead(figures, event);
		if (event.kind === "read" || event.kind === "write")
			figures.operations += 1;
	}
	figures.transactions += commits.length;
	figures.outdated += outdated;
	figures.worstStalenessMs = Math.max(
		figures.worstStalenessMs,
		worstStalenessMs,
	);
	figures.violations += violations.length;
	for (const [name, count] of Object.entries(faults))
		add(figures.faults, name, count);
}

function addRead(figures: Figures, read: Read): void {
	figures.reads += 1;
	if (read.failure !== undefined) add(figures.failures, cutShort(read.failure));
	if (read.session === "control" || read.answer === undefined) return;
	figures.answered += 1;
	if (isHit(read)) figures.hits += 1;
	const status = read.cacheStatus.replace(/; ttl=-?\d+/g, "");
	add(figures.statuses, status === "" ? "none" : status);
}

export function isHit({ cacheStatus }: Read): boolean {
	return /(^|, )Postern; hit\b/.test(cacheStatus);
}

export function add(
	counts: Record<string, number>,
	name: string,
	count = 1,
): void {
	counts[name] = (counts[name] ?? 0) + count;
}

export function tell(figures: Figures, seconds: number): string {
	const { operations, reads, hits, answered, worstStalenessMs } = figures;
	return [
		`operations        ${operations} in ${seconds.toFixed(0)} s, ${(operations / seconds).toFixed(0)} a second`,
		`reads             ${reads}, of which ${answered} were answered through the gateway`,
		`hit ratio         ${((100 * hits) / Math.max(1, answered)).toFixed(1)} %`,
		`transactions      ${figures.transactions}, ${figures.writes} tried`,
		`worst staleness   ${worstStalenessMs.toFixed(0)} ms; ${figures.outdated} answers were out of date at all`,
		`faults            ${listed(figures.faults)}`,
		`failures          ${listed(figures.failures)}`,
		`Cache-Status      ${listed(figures.statuses)}`,
		`violations        ${figures.violations}`,
	].join("\n");
}

/** A violation with what happened around it. */
export function tellViolation(
	{ kind, event, explanation }: Violation,
	events: readonly Event[],
): string {
	const around = events
		.filter(
			(one) =>
				one === event ||
				one.kind === "mishap" ||
				one.kind === "write" ||
				(one.kind === "read" && one.session === event.session),
		)
		.filter(
			({ sentAt, endedAt }) =>
				endedAt > event.sentAt - AROUND_MS && sentAt < event.endedAt + 100,
		)
		.toSorted((one, other) => one.sentAt - other.sentAt)
		.slice(-MAX_AROUND);
	return [
		`${kind}: ${explanation}`,
		...around.map(
			(one) => `  ${one === event ? ">" : " "} ${line(one, event.sentAt)}`,
		),
	].join("\n");
}

const AROUND_MS = 3_000;
const MAX_AROUND = 60;
const MAX_CHARACTERS = 300;

function line(event: Event, origin: number): string {
	const times = `${seconds(event.sentAt - origin)} to ${seconds(event.endedAt - origin)}  ${event.session}`;
	switch (event.kind) {
		case "read":
			return `${times}  ${event.user} at ${event.from}: ${event.query}  [${event.cacheStatus}]  ${cutShort(event.answer ?? event.failure ?? "")}`;
		case "write":
			return `${times}  ${event.operation}: ${cutShort(event.description)}  ${event.outcome}`;
		case "handover":
			return `${times}  is told what ${event.of} knows`;
		case "mishap":
			return `${times}  ${event.description}`;
	}
}

function seconds(milliseconds: number): string {
	return `${(milliseconds / 1_000).toFixed(3).padStart(7)}`;
}

function cutShort(text: string): string {
	return text.length > MAX_CHARACTERS
		? `${text.slice(0, MAX_CHARACTERS)}…`
		: text;
}

function listed(counts: Record<string, number>): string {
	const names = Object.entries(counts).sort(
		([, one], [, other]) => other - one,
	);
	if (names.length === 0) return "none";
	return names.map(([name, count]) => `${count} ${name}`).join(", ");
}
