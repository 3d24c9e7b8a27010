import { mount } from 'svelte'
import App from './app/App.svelte'
import { theme } from './app/theme.svelte.ts'
import './ui/theme.css'

theme.apply()
const target = document.querySelector('#app')
if (target === null) throw new Error('the page has no #app')
mount(App, { target })
