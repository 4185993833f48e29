import { useEffect, useMemo, useRef, useState } from 'react'
import type { PhoneLink } from '../../../src/model/phone-link.ts'
import { formatText } from '../../../src/model/units.ts'
import { useText } from '../../i18n/index.ts'
import { countText } from '../../lib/format.ts'
import { takePhoneLink } from '../../lib/phone.ts'
import { PhoneSender, type SenderState } from '../../lib/phone-sender.ts'
import type { SenseValues } from '../../lib/phone-senses.ts'
import { senses } from '../../lib/phone-senses.ts'
import { useStore } from '../../lib/store.ts'
import { LanguageChoice, ThemeButton } from '../../shell/bar.tsx'
import { Empty } from '../../ui/faces.tsx'
import { Icon, Logo } from '../../ui/icons.tsx'
import { useTitle } from '../../ui/place-title.ts'
import { type Level, StateMark } from '../../ui/state-mark.tsx'
import { SenseSwitch } from './sense-switch.tsx'

const sliders = [
  { name: 'temperature', unit: 'celsius', min: -5, max: 45, step: 0.1, start: 24 },
  { name: 'humidity', unit: 'humidity', min: 0, max: 100, step: 1, start: 55 },
  { name: 'pressure', unit: 'pressurehpa', min: 970, max: 1050, step: 0.5, start: 1013 },
  { name: 'luminosity', unit: 'lux', min: 0, max: 65_000, step: 100, start: 12_000 },
] as const

/** The phone in a hand as a sensor: what it feels, and sliders for what it does not. */
export function PhonePage() {
  const text = useText()
  useTitle(text('phoneTitle'))
  const [link] = useState(takePhoneLink)
  return (
    <div className="phone-page">
      <header>
        <Logo /> <h1>{link?.name ?? text('phoneTitle')}</h1>
        <span className="bar-space" />
        <LanguageChoice />
        <ThemeButton />
      </header>
      <main>
        {link ? (
          <Sender link={link} />
        ) : (
          <section className="panel pad">
            <Empty title={text('phoneNoLink')} hint={text('phoneNoLinkHint')} />
          </section>
        )}
      </main>
    </div>
  )
}

function Sender({ link }: { link: PhoneLink }) {
  const text = useText()
  const sender = useMemo(() => new PhoneSender(link), [link])
  const state = useStore(sender.state)
  const [chosen, setChosen] = useState<Readonly<Record<string, number>>>(() =>
    Object.fromEntries(sliders.map(({ name, start }) => [name, start])),
  )
  const [felt, setFelt] = useState<SenseValues>({})
  // The newest of both, for the sender's clock; a sense counts more than a slider.
  const payload = useRef<object>({})
  payload.current = { ...chosen, ...felt }
  useEffect(() => () => sender.stop(), [sender])
  const isOn = state.kind !== 'off'
  useAwake(isOn)
  return (
    <>
      <section className="panel pad phone-state" aria-label={text('state')}>
        <State state={state} />
        <button
          type="button"
          className={`button ${isOn ? '' : 'primary'}`}
          onClick={() => (isOn ? sender.stop() : void sender.start(() => payload.current))}
        >
          <Icon name={isOn ? 'pause' : 'send'} size={14} />{' '}
          {text(isOn ? 'phoneStop' : 'phoneStart')}
        </button>
        <dl>
          <div>
            <dt>{text('phoneSent')}</dt>
            <dd>{countText(state.sent)}</dd>
          </div>
          <div>
            <dt>{text('phoneArrived')}</dt>
            <dd>{countText(state.acknowledged)}</dd>
          </div>
          <div>
            <dt>{text('phoneWaiting')}</dt>
            <dd>{countText(state.sent - state.acknowledged)}</dd>
          </div>
        </dl>
        {state.skipped > 0 && (
          <p className="hint critical">
            {text('phoneSkipped', { count: countText(state.skipped) })}
          </p>
        )}
      </section>
      <section className="panel pad stack" aria-label={text('phoneSliders')}>
        <h2>{text('phoneSliders')}</h2>
        {sliders.map(({ name, unit, min, max, step }) => (
          <label key={name} className="slider">
            <span>
              {text(name)}{' '}
              <b>{formatText(felt[name] ?? chosen[name], unit, name === 'temperature' ? 1 : 0)}</b>
            </span>
            <input
              type="range"
              min={min}
              max={max}
              step={step}
              disabled={felt[name] !== undefined}
              value={felt[name] ?? chosen[name]}
              onChange={(event) => setChosen({ ...chosen, [name]: Number(event.target.value) })}
            />
          </label>
        ))}
      </section>
      <section className="panel pad" aria-label={text('phoneSenses')}>
        <h2>{text('phoneSenses')}</h2>
        <p className="hint">{text(isSecureContext ? 'phoneConsent' : 'phoneHttps')}</p>
        <ul className="senses">
          {senses.map((sense) => (
            <SenseSwitch
              key={sense}
              sense={sense}
              onValues={(values) => setFelt((before) => ({ ...before, ...values }))}
              onOff={(names) =>
                setFelt((before) =>
                  Object.fromEntries(Object.entries(before).filter(([name]) => !names.has(name))),
                )
              }
            />
          ))}
        </ul>
      </section>
    </>
  )
}

function State({ state }: { state: SenderState }) {
  const text = useText()
  const level: Level = { off: 'idle', connecting: 'warn', connected: 'ok', refused: 'critical' }[
    state.kind
  ] as Level
  const words = {
    off: 'phoneOff',
    connecting: 'phoneConnecting',
    connected: 'phoneConnected',
    refused: 'phoneRefused',
  } as const
  return (
    <p className="state-label" role="status">
      <StateMark level={level} size={10} /> <b>{text(words[state.kind])}</b>{' '}
      {state.words !== '' && <span className="quiet">{state.words}</span>}
    </p>
  )
}

/** Keeps the screen on while frames are sent: a phone that sleeps sends nothing. */
function useAwake(isOn: boolean): void {
  useEffect(() => {
    if (!isOn || !('wakeLock' in navigator)) return
    const lock = navigator.wakeLock.request('screen').catch(() => undefined)
    return () => void lock.then((held) => held?.release())
  }, [isOn])
}
