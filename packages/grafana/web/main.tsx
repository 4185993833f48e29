import './styles/fonts.css'
import './styles/tokens.css'
import './styles/base.css'
import './styles/shell.css'
import './styles/panels.css'
import './styles/places.css'
import './styles/people.css'
import './styles/devices.css'
import './styles/commands.css'
import './styles/phone.css'
import { createRoot } from 'react-dom/client'
import { loadTexts } from './i18n/index.ts'
import { startLive } from './lib/live.ts'
import { loadSession } from './lib/session.ts'
import { Root } from './root.tsx'

// Where the server is away the page opens and says so by itself.
await Promise.all([loadTexts(), loadSession().catch(() => {})])
startLive()
createRoot(document.getElementById('root')!).render(<Root />)
