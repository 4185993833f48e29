import { useState } from 'react'
import type { DeviceSecret } from '../../../src/model/devices.ts'
import { useText } from '../../i18n/index.ts'
import { changeDevices } from '../../lib/devices.ts'
import { FormDialog } from '../../ui/form-dialog.tsx'
import { DeviceSecretDialog } from './device-secret.tsx'

/** Asks who the device is, then shows the program that it runs. */
export function AddDeviceDialog({ onClose }: { onClose: () => void }) {
  const text = useText()
  const [given, setGiven] = useState({ name: '', place: '', id: '', kind: '', rate: '' })
  const [added, setAdded] = useState<DeviceSecret | undefined>(undefined)
  if (added) return <DeviceSecretDialog device={added} onClose={onClose} />
  const field = (
    key: keyof typeof given,
    label: string,
    hint: string,
    rest: { required?: boolean; type?: 'number' } = {},
  ) => (
    <label>
      <span>{label}</span>
      <input
        autoComplete="off"
        autoCapitalize="none"
        spellCheck={false}
        maxLength={64}
        {...(rest.type === 'number' ? { inputMode: 'decimal', pattern: '[0-9]*[.]?[0-9]+' } : {})}
        required={rest.required ?? false}
        value={given[key]}
        onChange={(event) => setGiven({ ...given, [key]: event.target.value.trimStart() })}
      />
      {hint !== '' && <span className="hint">{hint}</span>}
    </label>
  )
  return (
    <FormDialog
      title={text('deviceAdd')}
      action={text('deviceAddShort')}
      onClose={onClose}
      // The program takes the form's place, to be copied.
      onDone={() => {}}
      onSubmit={async () => {
        const { name, place, id, kind, rate } = given
        setAdded(
          await changeDevices<DeviceSecret>('POST', '', {
            name: name.trim(),
            place: place.trim(),
            ...(id.trim() === '' ? {} : { id: id.trim() }),
            ...(kind.trim() === '' ? {} : { kind: kind.trim() }),
            ...(rate === '' ? {} : { rate: Number(rate) }),
          }),
        )
      }}
    >
      {field('name', text('deviceName'), text('deviceNameHint'), { required: true })}
      {field('place', text('devicePlace'), text('devicePlaceHint'), { required: true })}
      <details className="stack">
        <summary>{text('deviceMore')}</summary>
        {field('kind', text('deviceKind'), '')}
        {field('rate', text('deviceRate'), text('deviceRateHint'), { type: 'number' })}
        {field('id', text('deviceId'), text('deviceIdHint'))}
      </details>
    </FormDialog>
  )
}
