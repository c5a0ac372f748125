// The benchmark's own tables in `api`, and a log of when each version of a row was committed. The log decides how
// old an answer is; it is neither exposed nor tracked, and no contender sees it.
import type { Pool } from "pg";

export const ARTICLES = 1_000;
export const AUTHORS = 50;
/** Rows of the table that the measured writes change. */
export const NOTES = 1_000;
const BODY_CHARACTERS = 500;

/** One row as an answer shows it. */
export interface Version {
	readonly id: number;
	readonly version: number;
}

/** Created before PostgREST starts, so that it need not reload. */
export async function createTables(pool: Pool): Promise<void> {
	await pool.query(`
		create table api.authors (id integer primary key, name text not null);
		create table api.articles (
			id integer primary key,
			author_id integer not null references api.authors,
			title text not null,
			body text not null,
			version integer not null default 1
		);
		create index articles_author_id on api.articles (author_id);

		alter table api.authors enable row level security;
		alter table api.articles enable row level security;
		create policy anyone_may_read on api.authors for select to anon, authenticated using (true);
		create policy anyone_may_read on api.articles for select to anon, authenticated using (true);
		create policy authenticated_may_edit on api.articles for update to authenticated using (true) with check (true);
		grant select on api.authors, api.articles to anon, authenticated;
		-- version is not granted: it is the trigger's.
		grant update (title) on api.articles to authenticated;

		insert into api.authors select id, 'Author ' || id from generate_series(1, ${AUTHORS}) as id;
		insert into api.articles (id, author_id, title, body)
		select id, 1 + id % ${AUTHORS}, 'Article ' || id, repeat('x', ${BODY_CHARACTERS}) from generate_series(1, ${ARTICLES}) as id;

		create table api.notes (id integer primary key, title text not null);
		alter table api.notes enable row level security;
		create policy authenticated_may_edit on api.notes to authenticated using (true) with check (true);
		grant select, update (title) on api.notes to authenticated;
		insert into api.notes select id, 'Note ' || id from generate_series(1, ${NOTES}) as id;

		create schema bench;
		create table bench.versions (id integer not null, version integer not null, xid xid8 not null default pg_current_xact_id());
		create function bench.count_version() returns trigger
		language plpgsql volatile security definer
		set search_path = ''
		as $$
		begin
			new.version := old.version + 1;
			insert into bench.versions (id, version) values (new.id, new.version);
			return new;
		end
		$$;
		create trigger count_version before update on api.articles for each row execute function bench.count_version();

		select postern.track('api.authors'), postern.track('api.articles'), postern.track('api.notes')`);
	await pool.query("vacuum analyze");
}

/** The moments of commits, by the clock that Date.now() reads. */
export interface History {
	/** Milliseconds since the Unix epoch; undefined for an unknown version. */
	committedAt(row: Version): number | undefined;
	/** For how long these rows had been out of date when they were asked for, in milliseconds; 0 if none was. */
	stalenessMs(rows: readonly Version[], askedAt: number): number;
}

/** Postgres records the time just before a commit is visible, so ages are too high by that moment, never too low. */
export async function readHistory(pool: Pool): Promise<History> {
	const { rows } = await pool.query<Version & { at: number }>(`
		select id, version, (extract(epoch from pg_xact_commit_timestamp(xid::xid)) * 1000)::double precision as at
		from bench.versions`);
	const times = new Map(rows.map((row) => [nameOf(row), row.at]));
	const committedAt = (row: Version) => times.get(nameOf(row));
	return {
		committedAt,
		stalenessMs(shown, askedAt) {
			const ages = shown.map(({ id, version }) => {
				const replacedAt = committedAt({ id, version: version + 1 });
				return replacedAt === undefined ? 0 : askedAt - replacedAt;
			});
			return Math.max(0, ...ages);
		},
	};
}

function nameOf({ id, version }: Version): string {
	return `${id} ${version}`;
}
