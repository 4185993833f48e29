import { useState } from 'react'
import type { DeviceSecret } from '../../../src/model/devices.ts'
import { phoneHash } from '../../../src/model/phone-link.ts'
import { useText } from '../../i18n/index.ts'
import { useDevices } from '../../lib/devices.ts'
import { saveFile } from '../../lib/save-file.ts'
import { useSetup } from '../../lib/setup.ts'
import { Dialog } from '../../shell/dialog.tsx'
import { CopyButton, CopyLine } from '../../ui/copy.tsx'
import { QrCode } from '../../ui/qr-code.tsx'
import { scrolls } from '../../ui/scrolls.ts'
import { StateMark } from '../../ui/state-mark.tsx'
import { portOf } from '../../ui/use-phone.tsx'

const kinds = [
  { id: 'python', name: 'Python', file: (name: string) => `${name}.py` },
  { id: 'node', name: 'Node', file: (name: string) => `${name}.mjs` },
  { id: 'esp32', name: 'ESP32', file: (name: string) => `${name}.ino` },
  { id: 'micropython', name: 'MicroPython', file: () => 'main.py' },
] as const

/** What is shown once: the secret, in a program for whatever the device is; and whether it came. */
export function DeviceSecretDialog({
  device,
  onClose,
}: {
  device: DeviceSecret
  onClose: () => void
}) {
  const text = useText()
  const [kind, setKind] = useState<(typeof kinds)[number]['id'] | 'phone'>('python')
  const state = useDevices(1_000).data?.find(({ name }) => name === device.name)?.state
  const isLive = state === 'live'
  const phone = usePhoneAddress(device)
  const chosen = kinds.find(({ id }) => id === kind)
  return (
    <Dialog label={device.name} className="form-dialog sketch-dialog" onClose={onClose}>
      <header>
        <h2>{device.name}</h2>
      </header>
      <div className="stack token-once">
        <p className="face-title">{text('deviceOnce')}</p>
        <div className="tabs" role="tablist" aria-label={device.name}>
          {[
            ...kinds,
            ...(phone ? [{ id: 'phone', name: text('deviceForPhone') } as const] : []),
          ].map(({ id, name }) => (
            <button
              key={id}
              type="button"
              role="tab"
              aria-selected={id === kind}
              onClick={() => setKind(id)}
            >
              {name}
            </button>
          ))}
        </div>
        {chosen ? (
          <div className="sketch">
            <pre {...scrolls}>{device.sketches[chosen.id]}</pre>
            <CopyButton value={device.sketches[chosen.id]} />
          </div>
        ) : (
          <div className="use-phone">
            <QrCode value={phone ?? ''} label={text('phoneCode')} />
            <CopyLine command={phone ?? ''} />
          </div>
        )}
        <p className="row sketch-state" role="status">
          <StateMark level={isLive ? 'ok' : 'idle'} />{' '}
          {text(isLive ? 'deviceLiveNow' : 'deviceWaitingNow')}
        </p>
        <CopyLine command={device.secret} label={text('deviceSecret')} />
        <footer>
          {chosen && (
            <button
              type="button"
              className="button"
              onClick={() => saveFile(chosen.file(device.name), device.sketches[chosen.id])}
            >
              {text('deviceSave', { file: chosen.file(device.name) })}
            </button>
          )}
          <button type="button" className="button primary" onClick={onClose}>
            {text('done')}
          </button>
        </footer>
      </div>
    </Dialog>
  )
}

/** The address that makes a phone this device; undefined where the broker has no WebSocket. */
function usePhoneAddress({ name, id, place, secret }: DeviceSecret): string | undefined {
  const setup = useSetup()
  const port = portOf(setup?.mqttWebsocket)
  if (!setup?.mqtt || port === undefined) return undefined
  const { topic } = setup.mqtt
  return `${location.origin}/phone${phoneHash({ id, name, place, topic, port, user: name, password: secret })}`
}
