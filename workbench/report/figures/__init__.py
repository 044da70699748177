"""Drawings of one panel each: a function takes a slice of the tables and gives a figure's SVG text."""
