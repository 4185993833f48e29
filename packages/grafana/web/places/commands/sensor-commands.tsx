import { useState } from 'react'
import { useText } from '../../i18n/index.ts'
import { sendCommand, useCommands } from '../../lib/commands.ts'
import { snapshotStore } from '../../lib/live.ts'
import { useMay } from '../../lib/session.ts'
import { useStore } from '../../lib/store.ts'
import { FormError } from '../../ui/form-error.tsx'
import { Icon } from '../../ui/icons.tsx'
import { Since } from '../people/moments.tsx'
import { CommandStateLabel, commandText } from './command-state.tsx'
import { SendCommandDialog } from './send-command.tsx'

const heat = { action: 'heat', params: { celsius: 80 }, expiresInMs: 60_000 } as const

/** What one sensor was told; a sensor of the demo fleet can be heated, to see what follows. */
export function SensorCommands({ sensor }: { sensor: { id: string; name: string } }) {
  const text = useText()
  const mayEdit = useMay('editor')
  const { data } = useCommands(sensor.id)
  const snapshot = useStore(snapshotStore)
  const [isSending, setSending] = useState(false)
  const [error, setError] = useState<Error | undefined>(undefined)
  if (!data) return null
  const fleet = snapshot?.parts.find(({ name }) => name === 'sensors')
  const isDemo = fleet?.vitals?.items.some(({ name }) => name === sensor.name) ?? false
  const heatIt = async (): Promise<void> => {
    setError(undefined)
    try {
      await sendCommand({ device: sensor.id, ...heat })
    } catch (fault) {
      setError(fault instanceof Error ? fault : new Error(String(fault)))
    }
  }
  return (
    <section className="panel pad sensor-commands" aria-label={text('deviceCommands')}>
      <header>
        <h2>{text('deviceCommands')}</h2>
      </header>
      {data.length === 0 ? (
        <p className="face-hint">{text('commandsNoneHere')}</p>
      ) : (
        <ul>
          {data.map((command) => (
            <li key={command.id}>
              <span className="mono">{commandText(command)}</span>
              <CommandStateLabel command={command} />
              <small className="quiet">
                <Since atMs={command.timestamp} />
              </small>
            </li>
          ))}
        </ul>
      )}
      {mayEdit && (
        <div className="row">
          {isDemo && (
            <button type="button" className="button primary" onClick={() => void heatIt()}>
              <Icon name="sun" size={14} /> {text('commandHeat')}
            </button>
          )}
          <button type="button" className="button" onClick={() => setSending(true)}>
            <Icon name="send" size={14} /> {text('commandSend')}
          </button>
        </div>
      )}
      {isDemo && mayEdit && <p className="face-hint">{text('commandHeatHint')}</p>}
      <FormError error={error} />
      {isSending && <SendCommandDialog device={sensor.id} onClose={() => setSending(false)} />}
    </section>
  )
}
