"""What knows neither layers nor rules: the array libraries, frozen values, tables of text."""
