import { useState } from 'react'
import { type PhoneLink, phoneHash } from '../../src/model/phone-link.ts'
import { useText } from '../i18n/index.ts'
import { useSetup } from '../lib/setup.ts'
import { CopyLine } from './copy.tsx'
import { ownSensor } from './frame-command.ts'
import { QrCode } from './qr-code.tsx'

/** A code that opens the phone's page: with it the phone is a sensor. */
export function UsePhone() {
  const text = useText()
  const setup = useSetup()
  const [id] = useState(() => `phone-${Math.random().toString(36).slice(2, 7)}`)
  const [name, setName] = useState(id)
  const [secret, setSecret] = useState('')
  const port = portOf(setup?.mqttWebsocket)
  if (!setup?.mqtt || port === undefined) return <p className="face-hint">{text('phoneNoMqtt')}</p>
  const link: PhoneLink = {
    // A device of the registry has its name as its id and its user.
    id: secret === '' ? id : name.trim(),
    name: name.trim() || id,
    place: ownSensor.place,
    topic: setup.mqtt.topic,
    port,
    ...(secret === '' ? {} : { user: name.trim(), password: secret.trim() }),
  }
  const address = `${location.origin}/phone${phoneHash(link)}`
  const isHereOnly = /^(?:localhost|127\.|\[::1\])/.test(location.hostname)
  return (
    <div className="use-phone">
      <QrCode value={address} label={text('phoneCode')} />
      <div className="stack">
        <p className="face-hint">{text(isHereOnly ? 'phoneHereOnly' : 'phoneHint')}</p>
        {setup.mqtt.needsLogin && <p className="face-hint">{text('phoneNeedsLogin')}</p>}
        <label>
          <span>{text('phoneName')}</span>
          <input value={name} maxLength={60} onChange={(event) => setName(event.target.value)} />
        </label>
        <label>
          <span>{text('phoneSecret')}</span>
          <input
            className="mono"
            autoComplete="off"
            spellCheck={false}
            maxLength={100}
            value={secret}
            onChange={(event) => setSecret(event.target.value)}
          />
          <span className="hint">{text('phoneSecretHint')}</span>
        </label>
        <CopyLine command={address} />
      </div>
    </div>
  )
}

/** The port of the broker's WebSocket, by which a phone reaches it. */
export function portOf(url: string | null | undefined): number | undefined {
  if (!url || !URL.canParse(url)) return undefined
  return Number(new URL(url).port) || undefined
}
