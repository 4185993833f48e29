import { useEffect, useState } from 'react'
import { useText } from '../i18n/index.ts'
import { ask } from '../lib/api.ts'
import { useNow } from '../lib/clock.ts'
import { duration } from '../lib/duration.ts'
import { countdownText } from '../lib/format.ts'
import { sensorsStore } from '../lib/live.ts'
import { useQuery } from '../lib/query.ts'
import { useMay } from '../lib/session.ts'
import { useSetup } from '../lib/setup.ts'
import { useStore } from '../lib/store.ts'
import { Dialog } from '../shell/dialog.tsx'
import { CopyLine } from './copy.tsx'
import { useWindow, WindowCountdown } from './countdown.tsx'
import { Failure } from './faces.tsx'
import { type CommandKind, frameCommand, ownFrame, ownSensor } from './frame-command.ts'
import { Icon } from './icons.tsx'
import { StateMark } from './state-mark.tsx'

const kinds: readonly CommandKind[] = ['mosquitto', 'khlong', 'python', 'esp32']
const kindNames = {
  mosquitto: 'sendWithClient',
  khlong: 'sendWithKhlong',
  python: 'sendPython',
  esp32: 'sendEsp32',
} as const

interface Sent {
  readonly atMs: number
  readonly tookMs: number
}

interface Way {
  document: { atMs: number; count: number } | null
  metric: { value: number; atMs: number } | null
  sensorAggregate: { endMs: number; count: number } | null
  placeAggregate: { endMs: number; count: number } | null
  unavailable: string[]
}

/** Lines to copy for any client, a button that sends a frame, and where that frame has come. */
export function SendOwn() {
  const text = useText()
  const setup = useSetup()
  const mayEdit = useMay('editor')
  const { sensors } = useStore(sensorsStore)
  const [kind, setKind] = useState<CommandKind>('mosquitto')
  const [sent, setSent] = useState<Sent | undefined>(undefined)
  const [error, setError] = useState<Error | undefined>(undefined)
  const [isSending, setSending] = useState(false)
  const [openedMs] = useState(() => Date.now())
  const heard = sensors.get(ownSensor.id)
  // A frame that was sent from a terminal counts as well as one from the button.
  const seen =
    sent ??
    (heard && heard.lastSeenMs > openedMs ? { atMs: heard.lastSeenMs, tookMs: 0 } : undefined)
  const [firstSeen, setFirstSeen] = useState<Sent | undefined>(undefined)
  useEffect(() => {
    if (seen && !firstSeen) setFirstSeen(seen)
  }, [seen, firstSeen])

  if (!setup?.mqtt) return <p className="face-hint">{text('mqttMissing')}</p>

  const send = async (): Promise<void> => {
    setSending(true)
    setError(undefined)
    try {
      const { topic } = setup.mqtt ?? { topic: 'iot-frames' }
      const answer = await ask<Sent>('/-/mqtt/publish', {
        method: 'POST',
        body: { topic, payload: JSON.stringify(ownFrame()), qos: 1, retain: false },
      })
      setSent(answer)
      setFirstSeen(answer)
    } catch (fault) {
      setError(fault instanceof Error ? fault : new Error(String(fault)))
    } finally {
      setSending(false)
    }
  }
  return (
    <div className="send-own">
      <div className="tabs" role="tablist" aria-label={text('sendYourOwn')}>
        {kinds.map((each) => (
          <button
            key={each}
            type="button"
            role="tab"
            aria-selected={each === kind}
            onClick={() => setKind(each)}
          >
            {text(kindNames[each])}
          </button>
        ))}
      </div>
      <p className="face-hint">{text('sendYourOwnHint')}</p>
      <CopyLine command={frameCommand(setup, kind)} wrap />
      <div className="row">
        {mayEdit && (
          <button
            type="button"
            className="button primary"
            disabled={isSending}
            onClick={() => void send()}
          >
            <Icon name="send" size={14} />{' '}
            {text(isSending ? 'sending' : sent ? 'sendAgain' : 'sendButton')}
          </button>
        )}
        <WindowCountdown />
      </div>
      {error && <Failure title={text('failedTitle', { part: 'MQTT' })} error={error} />}
      {firstSeen ? (
        <WayOfFrame sent={firstSeen} />
      ) : (
        <p className="waiting">
          <StateMark level="idle" /> {text('waitingForFrame', { id: ownSensor.id })}
        </p>
      )}
    </div>
  )
}

/** The stations of one frame, each lit when the frame is there. */
function WayOfFrame({ sent }: { sent: Sent }) {
  const text = useText()
  const nowMs = useNow()
  const window = useWindow()
  const [arrived, setArrived] = useState<Readonly<Record<string, number>>>({})
  const isDone = arrived.aggregate !== undefined && arrived.place !== undefined
  const { data } = useQuery(
    `way ${sent.atMs}`,
    (signal) =>
      ask<Way>(
        `/-/sensors/${ownSensor.id}/way?since=${sent.atMs - 1000}&place=${ownSensor.place}`,
        { signal },
      ),
    isDone ? 0 : 500,
  )
  useEffect(() => {
    if (!data) return
    const now = Date.now()
    setArrived((before) => {
      const next = { ...before }
      const note = (name: string, is: boolean): void => {
        if (is && next[name] === undefined) next[name] = now
      }
      // A document is behind Kafka: where it is, Kafka has been.
      note('kafka', data.document !== null)
      note('document', data.document !== null)
      note('metric', data.metric !== null)
      note('aggregate', (data.sensorAggregate?.endMs ?? 0) > sent.atMs)
      note('place', (data.placeAggregate?.endMs ?? 0) > sent.atMs)
      return next
    })
  }, [data, sent.atMs])
  const windowText = window
    ? text('wayWindow', { countdown: countdownText(window.leftMs) })
    : text('wayWaiting')
  const stage = (name: string, label: string, waits: string, part?: string) => {
    const atMs = name === 'mqtt' ? sent.atMs + sent.tookMs : arrived[name]
    const isMissing = part !== undefined && (data?.unavailable.includes(part) ?? false)
    return (
      <li key={name} className={atMs === undefined ? 'stage' : 'stage lit'}>
        <i className="ring" aria-hidden="true" />
        <span>{label}</span>
        <small>
          {atMs !== undefined
            ? text('wayTook', { duration: duration(Math.max(1, atMs - sent.atMs)) })
            : isMissing
              ? text('wayUnavailable', { part: part ?? '' })
              : nowMs - sent.atMs > 1_000
                ? waits
                : '…'}
        </small>
      </li>
    )
  }
  return (
    <ol className="way" aria-live="polite">
      {stage('mqtt', text('wayMqtt'), '')}
      {stage('kafka', text('wayKafka'), text('wayWaiting'), 'mongodb')}
      {stage('document', text('wayDocument'), text('wayWaiting'), 'mongodb')}
      {stage('metric', text('wayMetric'), text('wayWaiting'), 'prometheus')}
      {stage('aggregate', text('wayAggregate'), windowText, 'mongodb')}
      {stage('place', text('wayPlace'), windowText, 'mongodb')}
    </ol>
  )
}

/** The same box over any place. */
export function SendDialog({ onClose }: { onClose: () => void }) {
  const text = useText()
  return (
    <Dialog label={text('sendYourOwn')} className="send-dialog" onClose={onClose}>
      <header>
        <h2>{text('sendYourOwn')}</h2>
        <button
          type="button"
          className="icon-button small"
          aria-label={text('close')}
          onClick={onClose}
        >
          <Icon name="close" />
        </button>
      </header>
      <SendOwn />
    </Dialog>
  )
}
