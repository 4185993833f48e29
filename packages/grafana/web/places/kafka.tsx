import { useState } from 'react'
import { itemKey, partOf } from '../../src/model/flow-rates.ts'
import { useText } from '../i18n/index.ts'
import { ask } from '../lib/api.ts'
import { countText, dateTimeText, rateText, timeText } from '../lib/format.ts'
import { flowRates, snapshotStore } from '../lib/live.ts'
import { useQuery } from '../lib/query.ts'
import { go, hrefTo, Link, setParams, useParam } from '../lib/router.tsx'
import { useStore } from '../lib/store.ts'
import { Empty, Failure, PlaceFace, Skeleton } from '../ui/faces.tsx'
import { FilterField } from '../ui/filter-field.tsx'
import { ListPanel } from '../ui/list-panel.tsx'
import { PartFacts, StateLabel } from '../ui/part-facts.tsx'
import { useTitle } from '../ui/place-title.ts'
import { type KafkaRecord, RecordView } from '../ui/record-view.tsx'

interface Topic {
  readonly name: string
  readonly isInternal: boolean
  readonly records: number
  readonly partitions: { partition: number; first: number; end: number }[]
}

interface Group {
  readonly groupId: string
  readonly state: string
  readonly members: number
  readonly lag: number
  readonly topics: {
    topic: string
    partition: number
    committed: number
    end: number
    lag: number
  }[]
}

/** What is in the log? Topics, records, groups with their lag. */
export function KafkaPlace({ rest }: { rest: string[] }) {
  const text = useText()
  const [topicName] = rest
  useTitle(topicName ?? 'Kafka')
  const part = partOf(useStore(snapshotStore), 'kafka')
  const topics = useQuery(
    'kafka topics',
    (signal) => ask<{ topics: Topic[] }>('/-/kafka/topics', { signal }),
    3_000,
  )
  const groups = useQuery(
    'kafka groups',
    (signal) => ask<{ groups: Group[] }>('/-/kafka/groups', { signal }),
    3_000,
  )
  const topic = topics.data?.topics.find(({ name }) => name === topicName)
  return (
    <>
      <header className="place-head">
        <h1>
          {topicName === undefined ? (
            'Kafka'
          ) : (
            <>
              <Link to={hrefTo('/kafka')} className="quiet">
                Kafka
              </Link>{' '}
              <span className="quiet">/</span> {topicName}
            </>
          )}
        </h1>
        {topic && (
          <span className="quiet">
            {topic.partitions.length} {text('fact_partitions')} · {countText(topic.records)}{' '}
            {text('records').toLowerCase()}
          </span>
        )}
      </header>
      {!topics.data ? (
        <PlaceFace
          part="Kafka"
          setting="grafana: { kafka: 127.0.0.1:9092 }"
          error={topics.error}
          onRetry={topics.retry}
        />
      ) : topicName === undefined ? (
        <>
          <PartFacts part={part} />
          <div className="stack">
            <TopicTable topics={topics.data.topics} />
            <GroupTable groups={groups.data?.groups ?? []} />
          </div>
        </>
      ) : (
        <TopicPage
          topic={topic}
          name={topicName}
          groups={(groups.data?.groups ?? []).filter((group) =>
            group.topics.some((one) => one.topic === topicName),
          )}
        />
      )}
    </>
  )
}

function TopicTable({ topics }: { topics: readonly Topic[] }) {
  const text = useText()
  const [filter, setFilter] = useParam('q')
  const [internal, setInternal] = useParam('internal')
  const part = partOf(useStore(snapshotStore), 'kafka')
  const shown = topics
    .filter((topic) => internal === '1' || !(topic.isInternal || topic.name.startsWith('_')))
    .filter(({ name }) => name.toLowerCase().includes(filter.toLowerCase()))
  return (
    <ListPanel
      label={text('kafkaTopics')}
      head={
        <div className="toolbar">
          <h2>{text('kafkaTopics')}</h2>
          <FilterField label={text('filter')} value={filter} onChange={setFilter} />
          <label className="check">
            <input
              type="checkbox"
              checked={internal === '1'}
              onChange={(event) => setInternal(event.target.checked ? '1' : '')}
            />
            {text('kafkaInternal')}
          </label>
        </div>
      }
      columns={[
        text('name'),
        { figure: text('kafkaPartitions') },
        { figure: text('records') },
        { figure: text('rate') },
      ]}
      empty={
        shown.length === 0 && (
          <Empty
            title={text(topics.length === 0 ? 'kafkaNoTopics' : 'nothingMatches')}
            {...(topics.length === 0
              ? {
                  hint: text('kafkaNoTopicsHint'),
                  command: 'echo hello | kcat -b 127.0.0.1:9092 -t hello -P',
                }
              : {})}
          />
        )
      }
    >
      {shown.map((topic) => {
        const item = part?.vitals?.items.find(
          ({ kind, name }) => kind === 'topic' && name === topic.name,
        )
        const href = hrefTo(`/kafka/${encodeURIComponent(topic.name)}`)
        return (
          <tr key={topic.name} className="clickable" onClick={() => go(href)}>
            <td>
              <Link to={href} onClick={(event) => event.stopPropagation()}>
                {topic.name}
              </Link>
            </td>
            <td className="figure">{topic.partitions.length}</td>
            <td className="figure">{countText(topic.records)}</td>
            <td className="figure">
              {item ? rateText(flowRates.of(itemKey('kafka', item)).inPerSecond) : '–'}
            </td>
          </tr>
        )
      })}
    </ListPanel>
  )
}

function GroupTable({ groups }: { groups: readonly Group[] }) {
  const text = useText()
  return (
    <ListPanel
      label={text('kafkaGroups')}
      columns={[
        text('name'),
        text('state'),
        { figure: text('kafkaMembers') },
        text('kafkaPartitions'),
        { figure: text('lag') },
      ]}
      empty={groups.length === 0 && <Empty title={text('kafkaNoGroups')} />}
    >
      {groups.map((group) => {
        const highest = Math.max(1, ...group.topics.map(({ lag }) => lag))
        return (
          <tr key={group.groupId}>
            <td className="wrap">{group.groupId}</td>
            <td>
              <StateLabel state={group.state} />
            </td>
            <td className={`figure ${group.members === 0 ? 'quiet' : ''}`}>{group.members}</td>
            <td>
              <span
                className="lag-bars"
                role="img"
                aria-label={group.topics
                  .map(({ topic, partition, lag }) => `${topic} ${partition}: ${lag}`)
                  .join(', ')}
              >
                {group.topics.slice(0, 24).map((one) => (
                  <i
                    key={`${one.topic}${one.partition}`}
                    className={one.lag > 1000 ? 'warn' : ''}
                    style={{
                      height: `${2 + (one.lag / highest) * (one.lag > 0 ? 16 : 0)}px`,
                    }}
                    title={`${one.topic} ${one.partition}: ${countText(one.lag)}`}
                  />
                ))}
              </span>
            </td>
            <td className={`figure ${group.lag > 1000 ? 'warn' : group.lag === 0 ? 'quiet' : ''}`}>
              {countText(group.lag)}
            </td>
          </tr>
        )
      })}
    </ListPanel>
  )
}

function TopicPage({
  topic,
  name,
  groups,
}: {
  topic: Topic | undefined
  name: string
  groups: readonly Group[]
}) {
  const text = useText()
  const [partition, setPartition] = useParam('partition')
  const [offset, setOffset] = useParam('offset')
  const [selected] = useParam('record')
  const [filter, setFilter] = useParam('q')
  const [draft, setDraft] = useState(offset)
  const search = new URLSearchParams({ topic: name, limit: '100' })
  if (partition !== '') search.set('partition', partition)
  if (offset !== '') search.set('offset', offset)
  const answer = useQuery(
    `kafka records ${search}`,
    (signal) => ask<{ records: KafkaRecord[] }>(`/-/kafka/records?${search}`, { signal }),
    offset === '' ? 2_000 : 0,
  )
  const words = filter.toLowerCase()
  const records = (answer.data?.records ?? []).filter(
    (record) =>
      words === '' || `${record.key ?? ''} ${record.value ?? ''}`.toLowerCase().includes(words),
  )
  const open = answer.data?.records.find(
    (record) => `${record.partition}:${record.offset}` === selected,
  )
  return (
    <div className={open ? 'two-columns gap-top' : 'gap-top'}>
      <div className="side">
        <ListPanel
          label={text('records')}
          isDense
          head={
            <div className="toolbar">
              <FilterField label={text('filter')} value={filter} onChange={setFilter} />
              <select
                aria-label={text('partition')}
                value={partition}
                onChange={(event) => setPartition(event.target.value)}
              >
                <option value="">{text('kafkaPartitionAll')}</option>
                {topic?.partitions.map((one) => (
                  <option key={one.partition}>{one.partition}</option>
                ))}
              </select>
              <form
                className="row"
                onSubmit={(event) => {
                  event.preventDefault()
                  setOffset(draft)
                }}
              >
                <input
                  className="offset-field"
                  inputMode="numeric"
                  pattern="\d*"
                  aria-label={text('kafkaFromOffset')}
                  placeholder={text('kafkaFromOffset')}
                  value={draft}
                  onChange={(event) => setDraft(event.target.value)}
                />
                {offset !== '' && (
                  <button
                    type="button"
                    className="button"
                    onClick={() => {
                      setDraft('')
                      setOffset('')
                    }}
                  >
                    {text('kafkaNewest')}
                  </button>
                )}
              </form>
            </div>
          }
          columns={[
            { figure: 'P' },
            { figure: text('offset') },
            text('time'),
            text('key'),
            text('value'),
          ]}
          empty={
            !answer.data ? (
              answer.error ? (
                <Failure
                  title={text('failedTitle', { part: 'Kafka' })}
                  error={answer.error}
                  onRetry={answer.retry}
                />
              ) : (
                <Skeleton />
              )
            ) : (
              records.length === 0 && <Empty title={text('kafkaNoRecords')} />
            )
          }
        >
          {records.map((record) => {
            const id = `${record.partition}:${record.offset}`
            const choose = (): void =>
              setParams({ record: id === selected ? null : id }, { replace: true })
            return (
              <tr key={id} className="clickable" aria-selected={id === selected} onClick={choose}>
                <td className="figure quiet">{record.partition}</td>
                <td className="figure">
                  <button
                    type="button"
                    className="link-quiet"
                    onClick={(event) => {
                      event.stopPropagation()
                      choose()
                    }}
                  >
                    {countText(record.offset)}
                  </button>
                </td>
                <td title={dateTimeText(record.timestamp)}>{timeText(record.timestamp)}</td>
                <td className="mono nowrap">{record.key?.slice(0, 40) ?? '∅'}</td>
                <td className="mono clip">{record.value ?? '∅'}</td>
              </tr>
            )
          })}
        </ListPanel>
        {topic && <Partitions topic={topic} />}
        {groups.length > 0 && <GroupTable groups={groups} />}
      </div>
      {open && (
        <aside className="side record-side">
          <RecordView record={open} />
        </aside>
      )}
    </div>
  )
}

function Partitions({ topic }: { topic: Topic }) {
  const text = useText()
  const largest = Math.max(1, ...topic.partitions.map(({ first, end }) => end - first))
  return (
    <ListPanel
      label={text('kafkaPartitions')}
      isDense
      columns={[
        '#',
        { figure: text('kafkaFirstOffset') },
        { figure: text('kafkaEndOffset') },
        text('records'),
      ]}
    >
      {topic.partitions.map(({ partition, first, end }) => (
        <tr key={partition}>
          <td>{partition}</td>
          <td className="figure quiet">{countText(first)}</td>
          <td className="figure">{countText(end)}</td>
          <td>
            <span className="plain-bar" aria-hidden="true">
              <i style={{ width: `${((end - first) / largest) * 100}%` }} />
            </span>
          </td>
        </tr>
      ))}
    </ListPanel>
  )
}
