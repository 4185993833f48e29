import { useState } from 'react'
import type { DeviceNow, DeviceSecret } from '../../../src/model/devices.ts'
import { useText } from '../../i18n/index.ts'
import { changeDevices, deviceLevels, useDevices } from '../../lib/devices.ts'
import { useParam } from '../../lib/router.tsx'
import { useMay } from '../../lib/session.ts'
import { CopyId } from '../../ui/copy.tsx'
import { Empty, PlaceFace } from '../../ui/faces.tsx'
import { FilterField } from '../../ui/filter-field.tsx'
import { FormDialog } from '../../ui/form-dialog.tsx'
import { Icon } from '../../ui/icons.tsx'
import { ListPanel } from '../../ui/list-panel.tsx'
import { MenuItem, Popover } from '../../ui/popover.tsx'
import { StateMark } from '../../ui/state-mark.tsx'
import { Since } from '../people/moments.tsx'
import { DeviceSecretDialog } from './device-secret.tsx'
import { ImportDevicesDialog } from './import-devices.tsx'

type Action = 'rotate' | 'revoke' | 'remove'

const rowsMax = 400

/** The registry: who may send, how each is doing, and what can be done about it. */
export function DeviceList() {
  const text = useText()
  const mayEdit = useMay('editor')
  const { data, error, retry } = useDevices()
  const [filter, setFilter] = useParam('q')
  const [asked, setAsked] = useState<{ name: string; action: Action } | undefined>(undefined)
  const [secret, setSecret] = useState<DeviceSecret | undefined>(undefined)
  const [isImporting, setImporting] = useState(false)
  if (data === null)
    return (
      <section className="panel pad">
        <Empty title={text('devicesElsewhere')} hint={text('devicesElsewhereHint')} />
      </section>
    )
  if (!data) return <PlaceFace part={text('devices')} setting="" error={error} onRetry={retry} />
  const words = filter.trim().toLowerCase()
  const shown = data.filter(({ name, id, place, kind = '', state }) =>
    [name, id, place, kind, state].join(' ').toLowerCase().includes(words),
  )
  return (
    <>
      <ListPanel
        label={text('devices')}
        head={
          <div className="toolbar">
            <FilterField label={text('filter')} value={filter} onChange={setFilter} />
            {mayEdit && (
              <button type="button" className="button small" onClick={() => setImporting(true)}>
                {text('deviceImport')}
              </button>
            )}
          </div>
        }
        columns={[
          text('deviceName'),
          text('columnState'),
          text('devicePlace'),
          text('deviceKind'),
          { figure: text('columnLastSeen') },
          { figure: text('more') },
        ]}
        empty={
          data.length === 0 ? (
            <Empty
              title={text('devicesNone')}
              hint={text('devicesNoneHint')}
              command="npx khlong device add greenhouse-1 --place 32347983"
            />
          ) : (
            shown.length === 0 && <Empty title={text('nothingMatches')} />
          )
        }
      >
        {shown.slice(0, rowsMax).map((device) => (
          <DeviceRow
            key={device.name}
            device={device}
            onAsk={mayEdit ? (action) => setAsked({ name: device.name, action }) : undefined}
          />
        ))}
      </ListPanel>
      {asked && (
        <ChangeDialog
          {...asked}
          onClose={() => setAsked(undefined)}
          onSecret={(made) => {
            setAsked(undefined)
            setSecret(made)
          }}
        />
      )}
      {secret && <DeviceSecretDialog device={secret} onClose={() => setSecret(undefined)} />}
      {isImporting && <ImportDevicesDialog onClose={() => setImporting(false)} />}
    </>
  )
}

function DeviceRow({
  device,
  onAsk,
}: {
  device: DeviceNow
  onAsk: ((action: Action) => void) | undefined
}) {
  const text = useText()
  const { name, id, place, kind, state, reason, lastSeenMs } = device
  const level = deviceLevels[state]
  return (
    <tr>
      <td className="person-name">
        {name} {id !== name && <CopyId id={id} />}
      </td>
      <td>
        <span className={`state-label ${level === 'critical' ? 'critical' : ''}`}>
          <StateMark level={level} /> {text(`deviceState_${state}`)}
          {reason && <small> {reason}</small>}
        </span>
      </td>
      <td className="mono quiet" data-label={text('devicePlace')}>
        {place}
      </td>
      <td className="quiet" {...(kind ? { 'data-label': text('deviceKind') } : {})}>
        {kind}
      </td>
      <td className="figure" data-label={text('columnLastSeen')}>
        <Since atMs={lastSeenMs ?? null} />
      </td>
      <td className="figure row-end">
        {onAsk && (
          <Popover
            label={text('deviceActions', { name })}
            className="icon-button small"
            align="right"
            button={<Icon name="more" />}
          >
            {(close) => (
              <div className="menu">
                {(['rotate', 'revoke', 'remove'] as const)
                  .filter((action) => action !== 'revoke' || state !== 'revoked')
                  .map((action) => (
                    <MenuItem
                      key={action}
                      onChoose={() => {
                        close()
                        onAsk(action)
                      }}
                    >
                      <Icon name={icons[action]} /> {text(names[action])}
                    </MenuItem>
                  ))}
              </div>
            )}
          </Popover>
        )}
      </td>
    </tr>
  )
}

const icons = { rotate: 'key', revoke: 'pause', remove: 'close' } as const
const names = { rotate: 'deviceRotate', revoke: 'deviceRevoke', remove: 'deviceRemove' } as const
const titles = {
  rotate: 'deviceRotateTitle',
  revoke: 'deviceRevokeTitle',
  remove: 'deviceRemoveTitle',
} as const
const hints = {
  rotate: 'deviceRotateHint',
  revoke: 'deviceRevokeHint',
  remove: 'deviceRemoveHint',
} as const

/** Says what will happen, then does it. */
function ChangeDialog({
  name,
  action,
  onClose,
  onSecret,
}: {
  name: string
  action: Action
  onClose: () => void
  onSecret: (made: DeviceSecret) => void
}) {
  const text = useText()
  return (
    <FormDialog
      title={text(titles[action], { name })}
      action={text(names[action])}
      isDangerous
      onClose={onClose}
      onDone={action === 'rotate' ? () => {} : onClose}
      onSubmit={async () => {
        if (action === 'rotate')
          onSecret(await changeDevices<DeviceSecret>('POST', `/${name}/rotate`))
        else if (action === 'revoke') await changeDevices('POST', `/${name}/revoke`)
        else await changeDevices('DELETE', `/${name}`)
      }}
    >
      <p>{text(hints[action], { name })}</p>
    </FormDialog>
  )
}
