import { type FormEvent, useEffect, useState } from 'react'
import { partOf } from '../../src/model/flow-rates.ts'
import { useText } from '../i18n/index.ts'
import { ask } from '../lib/api.ts'
import { duration } from '../lib/duration.ts'
import { bytesText, countText, timeText } from '../lib/format.ts'
import { snapshotStore } from '../lib/live.ts'
import { useQuery } from '../lib/query.ts'
import { useParam } from '../lib/router.tsx'
import { useMay } from '../lib/session.ts'
import { useSetup } from '../lib/setup.ts'
import { useStore } from '../lib/store.ts'
import { Empty, Failure, PlaceFace, Tag } from '../ui/faces.tsx'
import { ListPanel } from '../ui/list-panel.tsx'
import { ItemTable, PartFacts } from '../ui/part-facts.tsx'
import { useTitle } from '../ui/place-title.ts'

interface Message {
  readonly atMs: number
  readonly topic: string
  readonly qos: number
  readonly retain: boolean
  readonly bytes: number
  readonly text: string
}

const keptMax = 200

/** What is sent: a live tail with a topic filter, a form to publish, the broker's own figures. */
export function MqttPlace(_: { rest: string[] }) {
  const text = useText()
  useTitle('MQTT')
  const setup = useSetup()
  const mayEdit = useMay('editor')
  const part = partOf(useStore(snapshotStore), 'mqtt')
  const [filter, setFilter] = useParam('filter', '#')
  if (setup && !setup.configured.mqtt)
    return (
      <>
        <header className="place-head">
          <h1>MQTT</h1>
        </header>
        <PlaceFace
          part="MQTT"
          setting="grafana: { mqtt: mqtt://127.0.0.1:1883 }"
          error={undefined}
          onRetry={() => {}}
        />
      </>
    )
  return (
    <>
      <header className="place-head">
        <h1>MQTT</h1>
        {part?.address && <span className="quiet mono">{part.address}</span>}
      </header>
      <PartFacts part={part} />
      <div className="two-columns">
        <Tail filter={filter} onFilter={setFilter} />
        <aside className="side">
          {mayEdit && <Publish topic={setup?.mqtt?.topic ?? 'iot-frames'} />}
          {part?.vitals && <ItemTable part={part} kind="topic" title={text('kafkaTopics')} />}
          <SystemTopics />
        </aside>
      </div>
    </>
  )
}

function Tail({ filter, onFilter }: { filter: string; onFilter: (filter: string) => void }) {
  const text = useText()
  const [messages, setMessages] = useState<readonly Message[]>([])
  const [hidden, setHidden] = useState(0)
  const [isFollowing, setFollowing] = useState(true)
  const [draft, setDraft] = useState(filter)
  useEffect(() => {
    if (!isFollowing) return
    setMessages([])
    const source = new EventSource(`/-/mqtt/tail?filter=${encodeURIComponent(filter)}`)
    source.addEventListener('messages', (event) => {
      const { messages: next, hidden: more } = JSON.parse(event.data) as {
        messages: Message[]
        hidden: number
      }
      setHidden(more)
      if (next.length > 0)
        setMessages((before) => [...next.toReversed(), ...before].slice(0, keptMax))
    })
    return () => source.close()
  }, [filter, isFollowing])
  const apply = (event: FormEvent): void => {
    event.preventDefault()
    onFilter(draft || '#')
  }
  return (
    <ListPanel
      label={text('mqttTail')}
      isDense
      head={
        <form className="toolbar" onSubmit={apply}>
          <label className="filter-field">
            <span>{text('mqttFilter')}</span>
            <input
              data-filter=""
              className="mono"
              value={draft}
              spellCheck={false}
              onChange={(event) => setDraft(event.target.value)}
            />
          </label>
          <button
            type="button"
            className="button"
            aria-pressed={isFollowing}
            onClick={() => setFollowing(!isFollowing)}
          >
            {text(isFollowing ? 'stopTail' : 'followTail')}
          </button>
          <span className="hint">
            {hidden > 0 ? text('mqttHidden', { count: countText(hidden) }) : text('mqttTailHint')}
          </span>
        </form>
      }
      columns={[
        text('time'),
        text('mqttTopic'),
        text('mqttQos'),
        { figure: text('size') },
        text('message'),
      ]}
      empty={
        messages.length === 0 && <Empty title={text('mqttNone')} hint={text('mqttNoneHint')} />
      }
    >
      {messages.map((message, index) => (
        <tr key={`${message.atMs} ${messages.length - index}`}>
          <td>{timeText(message.atMs)}</td>
          <td className="mono">
            {message.topic} {message.retain && <Tag>{text('mqttRetained')}</Tag>}
          </td>
          <td>{message.qos}</td>
          <td className="figure">{bytesText(message.bytes)}</td>
          <td className="mono clip" title={message.text}>
            {message.text}
          </td>
        </tr>
      ))}
    </ListPanel>
  )
}

function Publish({ topic }: { topic: string }) {
  const text = useText()
  const [draft, setDraft] = useState({
    topic,
    payload: '{"id":"777","payload":{"temperature":27.5}}',
    qos: 1,
    retain: false,
  })
  const [result, setResult] = useState<{ tookMs: number } | Error | undefined>(undefined)
  const send = (event: FormEvent): void => {
    event.preventDefault()
    ask<{ tookMs: number }>('/-/mqtt/publish', { method: 'POST', body: draft }).then(
      setResult,
      setResult,
    )
  }
  return (
    <form className="panel pad stack" onSubmit={send} aria-label={text('mqttPublish')}>
      <h2>{text('mqttPublish')}</h2>
      <label>
        <span>{text('mqttTopic')}</span>
        <input
          className="mono"
          value={draft.topic}
          required
          onChange={(event) => setDraft({ ...draft, topic: event.target.value })}
        />
      </label>
      <label>
        <span>{text('mqttPayload')}</span>
        <textarea
          className="mono"
          rows={4}
          value={draft.payload}
          onChange={(event) => setDraft({ ...draft, payload: event.target.value })}
        />
      </label>
      <div className="row">
        <label className="check">
          {text('mqttQos')}
          <select
            value={draft.qos}
            onChange={(event) => setDraft({ ...draft, qos: Number(event.target.value) })}
          >
            <option>0</option>
            <option>1</option>
            <option>2</option>
          </select>
        </label>
        <label className="check">
          <input
            type="checkbox"
            checked={draft.retain}
            onChange={(event) => setDraft({ ...draft, retain: event.target.checked })}
          />
          {text('mqttRetain')}
        </label>
        <button type="submit" className="button primary">
          {text('mqttPublish')}
        </button>
      </div>
      <div aria-live="polite">
        {result instanceof Error ? (
          <Failure title={text('failedTitle', { part: 'MQTT' })} error={result} />
        ) : (
          result && (
            <p className="ok">{text('mqttPublished', { duration: duration(result.tookMs) })}</p>
          )
        )}
      </div>
    </form>
  )
}

function SystemTopics() {
  const text = useText()
  const { data } = useQuery('mqtt system', () =>
    ask<{ topics: Record<string, string> }>('/-/mqtt/system'),
  )
  const topics = Object.entries(data?.topics ?? {}).sort(([a], [b]) => a.localeCompare(b))
  if (topics.length === 0) return null
  return (
    <details className="panel pad">
      <summary>{text('mqttSystem')}</summary>
      <dl className="pairs">
        {topics.map(([topic, value]) => (
          <div key={topic}>
            <dt className="mono">{topic.replace('$SYS/broker/', '')}</dt>
            <dd>{value}</dd>
          </div>
        ))}
      </dl>
    </details>
  )
}
