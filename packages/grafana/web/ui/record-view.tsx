import { useText } from '../i18n/index.ts'
import { bytesText, countText, dateTimeText, zoneText } from '../lib/format.ts'
import { setParams } from '../lib/router.tsx'
import { CopyId } from './copy.tsx'
import { Icon } from './icons.tsx'
import { JsonView } from './json-view.tsx'
import { scrolls } from './scrolls.ts'

/** A record as `/-/kafka/records` gives it. */
export interface KafkaRecord {
  readonly partition: number
  readonly offset: number
  readonly timestamp: number
  readonly key: string | null
  readonly value: string | null
  readonly isText: boolean
  readonly bytes: number
  readonly headers: [string, string | null][]
}

/** One record: key, time and size, value as JSON where it is, headers. */
export function RecordView({ record }: { record: KafkaRecord }) {
  const text = useText()
  const json = parse(record)
  return (
    <section
      className="panel pad stack"
      aria-label={text('kafkaRecord', { partition: record.partition, offset: record.offset })}
    >
      <header>
        <h2>
          {text('kafkaRecord', { partition: record.partition, offset: countText(record.offset) })}
        </h2>
        <button
          type="button"
          className="icon-button small"
          aria-label={text('close')}
          onClick={() => setParams({ record: null }, { replace: true })}
        >
          <Icon name="close" />
        </button>
      </header>
      <dl className="pairs">
        <div>
          <dt>{text('key')}</dt>
          <dd>
            {record.key === null ? '∅' : <CopyId id={record.key} shown={record.key.slice(0, 60)} />}
          </dd>
        </div>
        <div>
          <dt>{text('time')}</dt>
          <dd>
            {dateTimeText(record.timestamp)} <span className="quiet">{zoneText()}</span>
          </dd>
        </div>
        <div>
          <dt>{text('size')}</dt>
          <dd>{bytesText(record.bytes)}</dd>
        </div>
      </dl>
      {json === undefined ? (
        <pre className="code" {...scrolls}>
          {record.value ?? '∅'}
        </pre>
      ) : (
        <JsonView value={json} />
      )}
      <h3>{text('kafkaHeaders')}</h3>
      {record.headers.length === 0 ? (
        <p className="quiet">{text('kafkaNoHeaders')}</p>
      ) : (
        <dl className="pairs mono">
          {record.headers.map(([name, value], index) => (
            <div key={`${index}${name}`}>
              <dt>{name}</dt>
              <dd>{value ?? '∅'}</dd>
            </div>
          ))}
        </dl>
      )}
    </section>
  )
}

function parse({ value, isText }: KafkaRecord): unknown {
  if (!isText || value === null) return undefined
  try {
    return JSON.parse(value)
  } catch {
    return undefined
  }
}
