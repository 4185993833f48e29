import { useState } from 'react'
import { partOf } from '../../src/model/flow-rates.ts'
import { useText } from '../i18n/index.ts'
import { ask } from '../lib/api.ts'
import { duration } from '../lib/duration.ts'
import { countText } from '../lib/format.ts'
import { snapshotStore } from '../lib/live.ts'
import { useQuery } from '../lib/query.ts'
import { hrefTo, Link, useParam } from '../lib/router.tsx'
import { useStore } from '../lib/store.ts'
import { Empty, Failure, PlaceFace, Skeleton } from '../ui/faces.tsx'
import { JsonView } from '../ui/json-view.tsx'
import { PartFacts } from '../ui/part-facts.tsx'
import { useTitle } from '../ui/place-title.ts'
import { QueryForm } from '../ui/query-form.tsx'

interface Collections {
  readonly database: string
  readonly collections: { name: string; type: string; count: number }[]
}

/** What was stored: databases, collections, and a read-only query as mongosh writes it. */
export function DocumentsPlace({ rest }: { rest: string[] }) {
  const text = useText()
  useTitle(text('documents'))
  const [database, setDatabase] = useParam('db')
  const part = partOf(useStore(snapshotStore), 'mongodb')
  const databases = useQuery(
    'documents databases',
    () => ask<{ databases: { name: string }[] }>('/-/mongodb/databases'),
    30_000,
  )
  const answer = useQuery(
    `documents collections ${database}`,
    () =>
      ask<Collections>(
        `/-/mongodb/collections${database === '' ? '' : `?database=${encodeURIComponent(database)}`}`,
      ),
    5_000,
  )
  // A link from the flow names a collection with its database.
  const wanted = rest[0]?.split('.').at(-1)
  const collection =
    wanted ??
    answer.data?.collections.find(({ name }) => name === 'iot_frames')?.name ??
    answer.data?.collections[0]?.name
  return (
    <>
      <header className="place-head">
        <h1>{text('documents')}</h1>
        {answer.data && (
          <label className="check">
            <span className="visually-hidden">{text('documentsDatabase')}</span>
            <select
              value={database || answer.data.database}
              onChange={(event) => setDatabase(event.target.value)}
            >
              {(databases.data?.databases ?? [{ name: answer.data.database }]).map(({ name }) => (
                <option key={name}>{name}</option>
              ))}
            </select>
          </label>
        )}
      </header>
      <PartFacts part={part} />
      {!answer.data ? (
        <PlaceFace
          part="MongoDB"
          setting="grafana: { mongodb: mongodb://127.0.0.1:27017 }"
          error={answer.error}
          onRetry={answer.retry}
        />
      ) : (
        <div className="two-columns tree-first">
          <section className="panel" aria-label={text('documentsCollections')}>
            <h2 className="panel-title">{text('documentsCollections')}</h2>
            {answer.data.collections.length === 0 ? (
              <div className="pad">
                <Empty
                  title={text('documentsNone', { database: answer.data.database })}
                  hint={text('documentsNoneHint')}
                />
              </div>
            ) : (
              <ul className="tree">
                {answer.data.collections.map(({ name, count }) => (
                  <li key={name}>
                    <Link
                      to={hrefTo(
                        `/documents/${encodeURIComponent(name)}`,
                        database === '' ? {} : { db: database },
                      )}
                      aria-current={name === collection ? 'true' : undefined}
                    >
                      <span>{name}</span> <small>{countText(count)}</small>
                    </Link>
                  </li>
                ))}
              </ul>
            )}
          </section>
          {collection && (
            <Query
              key={`${database} ${collection}`}
              database={answer.data.database}
              collection={collection}
            />
          )}
        </div>
      )}
    </>
  )
}

function Query({ database, collection }: { database: string; collection: string }) {
  const text = useText()
  const [query, setQuery] = useParam(
    'q',
    `db.${collection}.find({}).sort({$natural: -1}).limit(20)`,
  )
  const [draft, setDraft] = useState(query)
  const answer = useQuery(`documents query ${database} ${query}`, (signal) =>
    ask<{ tookMs: number; count: number; documents: unknown[] }>(
      `/-/mongodb/query?${new URLSearchParams({ database, query })}`,
      { signal },
    ),
  )
  const indexes = useQuery(`documents indexes ${database} ${collection}`, () =>
    ask<{ indexes: { name: string; key: unknown }[] }>(
      `/-/mongodb/indexes?${new URLSearchParams({ database, collection })}`,
    ),
  )
  const run = (): void => {
    if (draft === query) answer.retry()
    else setQuery(draft)
  }
  return (
    <section className="panel pad stack" aria-label={collection}>
      <QueryForm
        label={text('documentsQuery')}
        hint={text('documentsQueryHint')}
        value={draft}
        onChange={setDraft}
        onRun={run}
      />
      {answer.error ? (
        <Failure title={text('queryFailed')} error={answer.error} onRetry={answer.retry} />
      ) : !answer.data ? (
        <Skeleton />
      ) : answer.data.count === 0 ? (
        <Empty title={text('documentsNoMatch')} />
      ) : (
        <>
          <p className="quiet">
            {text('documentsFound', {
              count: answer.data.count,
              duration: duration(answer.data.tookMs),
            })}
            {answer.data.count > 100 && ` · ${text('documentsShown')}`}
          </p>
          <ol className="documents">
            {answer.data.documents.map((document, index) => (
              <li key={index}>
                <details open={index === 0}>
                  <summary className="mono clip">{JSON.stringify(document)}</summary>
                  <JsonView value={document} />
                </details>
              </li>
            ))}
          </ol>
        </>
      )}
      {indexes.data && (
        <>
          <h3>{text('documentsIndexes')}</h3>
          <ul>
            {indexes.data.indexes.map(({ name, key }) => (
              <li key={name} className="mono">
                {name} <span className="quiet">{JSON.stringify(key)}</span>
              </li>
            ))}
          </ul>
        </>
      )}
    </section>
  )
}
