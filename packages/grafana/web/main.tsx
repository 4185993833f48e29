import './styles/fonts.css'
import './styles/tokens.css'
import './styles/base.css'
import './styles/shell.css'
import './styles/panels.css'
import './styles/places.css'
import { createRoot } from 'react-dom/client'
import { App } from './app.tsx'
import { loadTexts } from './i18n/index.ts'
import { startLive } from './lib/live.ts'

await loadTexts()
startLive()
createRoot(document.getElementById('root')!).render(<App />)
