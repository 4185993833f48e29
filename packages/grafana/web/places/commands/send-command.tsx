import { useState } from 'react'
import { useText } from '../../i18n/index.ts'
import { sendCommand } from '../../lib/commands.ts'
import { duration } from '../../lib/duration.ts'
import { FormDialog } from '../../ui/form-dialog.tsx'

/** What the demo's devices know; others know their own. */
const examples = [
  { action: 'heat', params: '{"celsius": 80}' },
  { action: 'cool', params: '{}' },
  { action: 'fan', params: '{"seconds": 60}' },
] as const

const expiriesMs = [30_000, 60_000, 600_000, 3_600_000, 86_400_000] as const

/** Asks who is to do what, and until when it makes sense. */
export function SendCommandDialog({
  device: known = '',
  onClose,
}: {
  device?: string
  onClose: () => void
}) {
  const text = useText()
  const [device, setDevice] = useState(known)
  const [action, setAction] = useState('')
  const [params, setParams] = useState('{}')
  const [expiresInMs, setExpiresInMs] = useState<number>(60_000)
  const parsed = parseParams(params)
  return (
    <FormDialog
      title={text('commandSend')}
      action={text('commandSendShort')}
      mayGo={parsed !== undefined}
      onClose={onClose}
      onSubmit={() =>
        sendCommand({
          device: device.trim(),
          action: action.trim(),
          params: parsed ?? {},
          expiresInMs,
        })
      }
    >
      <label>
        <span>{text('commandDevice')}</span>
        <input
          autoComplete="off"
          autoCapitalize="none"
          spellCheck={false}
          required
          maxLength={128}
          value={device}
          onChange={(event) => setDevice(event.target.value)}
        />
        <span className="hint">{text('commandDeviceHint')}</span>
      </label>
      <label>
        <span>{text('commandAction')}</span>
        <input
          autoComplete="off"
          autoCapitalize="none"
          spellCheck={false}
          required
          maxLength={64}
          value={action}
          onChange={(event) => setAction(event.target.value)}
        />
      </label>
      <div className="chips">
        {examples.map((example) => (
          <button
            key={example.action}
            type="button"
            className="chip"
            aria-pressed={action === example.action}
            onClick={() => {
              setAction(example.action)
              setParams(example.params)
            }}
          >
            {example.action}
          </button>
        ))}
      </div>
      <label>
        <span>{text('commandParams')}</span>
        <textarea
          className="command-params"
          rows={2}
          spellCheck={false}
          aria-invalid={parsed === undefined}
          value={params}
          onChange={(event) => setParams(event.target.value)}
        />
        <span className="hint">{text('commandParamsHint', { example: '{"seconds": 60}' })}</span>
      </label>
      <label>
        <span>{text('commandExpires')}</span>
        <select
          value={expiresInMs}
          onChange={(event) => setExpiresInMs(Number(event.target.value))}
        >
          {expiriesMs.map((ms) => (
            <option key={ms} value={ms}>
              {duration(ms)}
            </option>
          ))}
        </select>
        <span className="hint">{text('commandExpiresHint')}</span>
      </label>
    </FormDialog>
  )
}

/** A JSON object, or undefined where the text is none. */
function parseParams(text: string): object | undefined {
  try {
    const value = JSON.parse(text.trim() === '' ? '{}' : text) as unknown
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? value : undefined
  } catch {
    return undefined
  }
}
