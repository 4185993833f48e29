import { useEffect, useRef, useState } from 'react'
import { type TextKey, useText } from '../../i18n/index.ts'
import { feel, type Sense, type SenseFault, type SenseValues } from '../../lib/phone-senses.ts'

const names: Readonly<Record<Sense, TextKey>> = {
  motion: 'senseMotion',
  light: 'senseLight',
  battery: 'senseBattery',
  location: 'senseLocation',
}
const faults: Readonly<Record<SenseFault, TextKey>> = {
  https: 'senseHttps',
  missing: 'senseMissing',
  refused: 'senseRefused',
}

/** One sense with its own consent; says why it cannot be had. */
export function SenseSwitch({
  sense,
  onValues,
  onOff,
}: {
  sense: Sense
  onValues: (values: SenseValues) => void
  onOff: (names: ReadonlySet<string>) => void
}) {
  const text = useText()
  const [isOn, setOn] = useState(false)
  const [fault, setFault] = useState<SenseFault | undefined>(undefined)
  const [shown, setShown] = useState<SenseValues>({})
  const end = useRef<() => void>(undefined)
  const isWanted = useRef(false)
  const given = useRef(new Set<string>())
  useEffect(
    () => () => {
      isWanted.current = false
      end.current?.()
    },
    [],
  )
  const stop = (): void => {
    isWanted.current = false
    end.current?.()
    end.current = undefined
    setOn(false)
    setShown({})
    onOff(given.current)
  }
  const start = async (): Promise<void> => {
    setFault(undefined)
    setOn(true)
    isWanted.current = true
    const stopFeeling = await feel(
      sense,
      (values) => {
        for (const name of Object.keys(values)) given.current.add(name)
        setShown(values)
        onValues(values)
      },
      (why) => {
        setFault(why)
        stop()
      },
    )
    // It may have been turned off while the browser still asked.
    if (isWanted.current) end.current = stopFeeling
    else stopFeeling()
  }
  return (
    <li>
      <label className="check">
        <input
          type="checkbox"
          checked={isOn}
          onChange={(event) => (event.target.checked ? void start() : stop())}
        />
        <span>{text(names[sense])}</span>
      </label>
      <small className={fault ? 'warn' : 'quiet'}>
        {fault ? text(faults[fault]) : Object.values(shown).join(', ')}
      </small>
    </li>
  )
}
