"""Commands for operators, run with their own credentials: no function of the deployment holds any of this."""
