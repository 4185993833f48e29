import { useState } from 'react'
import { useText } from '../../i18n/index.ts'
import { useCommands } from '../../lib/commands.ts'
import { useParam } from '../../lib/router.tsx'
import { useMay } from '../../lib/session.ts'
import { Empty, PlaceFace } from '../../ui/faces.tsx'
import { FilterField } from '../../ui/filter-field.tsx'
import { Icon } from '../../ui/icons.tsx'
import { ListPanel } from '../../ui/list-panel.tsx'
import { Since } from '../people/moments.tsx'
import { CommandStateLabel, commandText } from './command-state.tsx'
import { SendCommandDialog } from './send-command.tsx'

/** The way back: what devices were told, by whom, and what they answered. */
export function CommandList() {
  const text = useText()
  const mayEdit = useMay('editor')
  const { data, error, retry } = useCommands()
  const [filter, setFilter] = useParam('q')
  const [isSending, setSending] = useState(false)
  if (!data)
    return (
      <PlaceFace part={text('deviceCommands')} setting="platform" error={error} onRetry={retry} />
    )
  const words = filter.trim().toLowerCase()
  const shown = data.filter((command) =>
    [command.device, commandText(command), command.by, command.state, command.id]
      .join(' ')
      .toLowerCase()
      .includes(words),
  )
  return (
    <>
      <ListPanel
        label={text('deviceCommands')}
        head={
          <div className="toolbar">
            <FilterField label={text('filter')} value={filter} onChange={setFilter} />
            {mayEdit && (
              <button type="button" className="button small" onClick={() => setSending(true)}>
                <Icon name="send" size={14} /> {text('commandSend')}
              </button>
            )}
          </div>
        }
        columns={[
          text('commandDevice'),
          text('commandWhat'),
          text('columnState'),
          text('commandBy'),
          { figure: text('commandGiven') },
        ]}
        empty={
          data.length === 0 ? (
            <Empty
              title={text('commandsNone')}
              hint={text('commandsNoneHint')}
              command="npx khlong device command 12434345 heat --param celsius=80"
            />
          ) : (
            shown.length === 0 && <Empty title={text('nothingMatches')} />
          )
        }
      >
        {shown.map((command) => (
          <tr key={command.id}>
            <td className="person-name">{command.device}</td>
            <td className="mono" data-label={text('commandWhat')}>
              {commandText(command)}
            </td>
            <td>
              <CommandStateLabel command={command} />
            </td>
            <td className="quiet" data-label={text('commandBy')}>
              {command.by}
            </td>
            <td className="figure" data-label={text('commandGiven')}>
              <Since atMs={command.timestamp} />
            </td>
          </tr>
        ))}
      </ListPanel>
      {isSending && <SendCommandDialog onClose={() => setSending(false)} />}
    </>
  )
}
